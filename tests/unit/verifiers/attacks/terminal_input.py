# does: types into the terminal of the judge
# kind: stdin
# expects: right
a, b = map(int, input().split())
folder, judge, port = input(), int(input()), int(input())
import fcntl, os, termios
try:
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), termios.TIOCSTI, b"x")
    print("typed")
except OSError:
    pass
print(a + b)
