# does: gives itself more computing time
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import resource
for name in ('RLIMIT_CPU', 'RLIMIT_AS', 'RLIMIT_NPROC'):
    try:
        resource.setrlimit(getattr(resource, name), (-1, -1))
    except (OSError, ValueError):
        pass
while True:
    pass
