# does: lets a regular expression backtrack for ever
# kind: stdin
# expects: wrong time
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import re
re.match('(a+)+$', 'a' * 60 + 'b')
