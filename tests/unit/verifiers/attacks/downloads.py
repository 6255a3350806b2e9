# does: fetches a page
# kind: stdin
# expects: wrong exception|forbidden
# blocked: network
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import urllib.request
print(urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=2).read())
