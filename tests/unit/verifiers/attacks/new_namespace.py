# does: makes namespaces of its own through another program
# kind: stdin
# expects: wrong wrong answer
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import subprocess
done = subprocess.run('unshare -Ur id -u', shell=True, capture_output=True)
print('free' if done.stdout.strip() == b'0' else 'nothing')
