# does: reads keys and passwords
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os
found = []
for path in ('/etc/passwd', '/etc/shadow', '/root/.ssh/id_rsa', '/root/.bashrc', os.path.expanduser('~/.netrc'), folder + '/secret', '/var/run/secrets/kubernetes.io/serviceaccount/token'):
    try:
        found.append(open(path).read())
    except OSError:
        pass
print('leaked' if found else 'nothing')
