# does: takes limits and processors from the judge
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import os, resource
for act in (lambda: resource.prlimit(judge, resource.RLIMIT_NOFILE, (3, 3)), lambda: os.sched_setaffinity(judge, {0}), lambda: os.setpriority(os.PRIO_PROCESS, judge, 19)):
    try:
        act()
        print("done")
    except OSError:
        pass
print(a + b)
