# Runs cells: requests come on descriptor 0, reports go out on the status pipe, output goes where 1 and 2 go.
#
# What a cell shows is the same with and without IPython, and in every version of Python as far as that can
# be: IPython only rewrites the cell and lends its magics, the rest is done here. Needs Python 3.8.
import sys
if sys.version_info < (3, 8):
    sys.exit("it is older than 3.8")
if sys.path and sys.path[0] in ("", "."):
    del sys.path[0]  # Until all is imported: a file of the agent must not stand in for a module.
import ast, asyncio, builtins, inspect, linecache, os, re, signal, subprocess, traceback, types
from importlib.util import find_spec

STATUS, OUT, REQUESTS = 198, 197, 196
HOME = os.environ.pop("ROLLTAPE_WORKSPACE", "/workspace")
OWNER = os.getpid()
SEVERAL = 12

# Copies that a cell does not close by closing 0, 1 and 2, and that no program of a cell inherits.
os.dup2(1, 2)
os.dup2(1, OUT, inheritable=False)
os.dup2(0, REQUESTS, inheritable=False)
os.set_inheritable(STATUS, False)
null = os.open(os.devnull, os.O_RDWR)
os.dup2(null, 0)
os.close(null)
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(encoding="utf-8", errors="backslashreplace")
sys.stdin = open(os.devnull)
sys.argv = [""]

main = types.ModuleType("__main__")
main.__builtins__ = builtins
space = main.__dict__
cells = {}
loop = None
running = False


class UsageError(Exception):
    pass


def put(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def show(text):
    """Writes what the harness itself has to show, after what the cell printed."""
    flush()
    put(OUT, text.encode("utf-8", "backslashreplace"))


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass  # The cell put something else there.


def on_interrupt(number, frame):
    if running:
        raise KeyboardInterrupt


# ---- what a cell may hold beside Python ----

def expand(command):
    """`{name}`, `{name.field}` and `$name` of variables that the cells made; all else is left to the shell."""
    def value(match):
        name, *fields = (match.group(1) or match.group(2)).split(".")
        if name.startswith("_") or name not in space:
            return match.group(0)
        found = space[name]
        for field in fields:
            found = getattr(found, field)
        return str(found)
    return re.sub(r"(?<![\\$])\{([A-Za-z_][\w.]*)\}|(?<![\\$])\$([A-Za-z_]\w*)", value, command)


def program(words, data=None, output=OUT):
    """Runs a program in a process group of its own: an interrupt ends it, background programs stay."""
    flush()
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL if data is None else subprocess.PIPE, stdout=output,
                             stderr=OUT if output == OUT else subprocess.STDOUT, start_new_session=True)
    try:
        said = child.communicate(data)[0]
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(child.pid, number)
                child.wait(1)
                break
            except subprocess.TimeoutExpired:
                pass
            except ProcessLookupError:
                break
        raise
    space["_exit_code"] = child.returncode
    return said


def system(command):
    program(["bash", "-c", expand(command)])


def lines_of(command):
    said = program(["bash", "-c", expand(command)], output=subprocess.PIPE)
    return said.decode("utf-8", "replace").splitlines()


def pip(arguments):
    words = ["bash", "-c", 'exec "$0" -m pip --no-input --disable-pip-version-check ' + expand(arguments), sys.executable]
    program(words)


def script(arguments, body):
    program(["bash"] + arguments.split(), data=body.encode())


def magic(name, rest):
    if name == "pip":
        return pip(rest)
    raise UsageError("Line magic function `%" + name + "` not found.")


def scan(text, state):
    """The state after a line: an open quote or None, open brackets, whether the line goes on."""
    quote, depth, _ = state
    at = 0
    while at < len(text):
        rest = text[at:]
        if quote:
            if text[at] == "\\":
                at += 2
            elif rest.startswith(quote):
                at += len(quote)
                quote = None
            else:
                at += 1
            continue
        if text[at] == "#":
            break
        mark = next((mark for mark in ('"""', "'''", '"', "'") if rest.startswith(mark)), None)
        if mark:
            quote = mark
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at += len(mark or " ")
    goes_on = text.endswith("\\")
    if quote and len(quote) == 1 and not goes_on:
        quote = None
    return quote, max(depth, 0), goes_on


SPECIAL = re.compile(r"(\s*)(?:([A-Za-z_][\w.]*)\s*=\s*)?([!%])\s*(\S.*)$")


def translate(cell):
    """Lines that are no Python, as calls; without IPython."""
    try:
        compile(cell, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
        return cell
    except SyntaxError:
        pass
    state, out = (None, 0, False), []
    for line in cell.split("\n"):
        found = SPECIAL.match(line) if state == (None, 0, False) else None
        if found:
            indent, target, mark, rest = found.groups()
            if mark == "!":
                call = "system" if target is None else "lines_of"
                call = "__rolltape__.%s(%r)" % (call, rest)
            else:
                name, _, rest = rest.partition(" ")
                call = "__rolltape__.magic(%r, %r)" % (name, rest.strip())
            out.append(indent + (target + " = " if target else "") + call)
        else:
            out.append(line)
            state = scan(line, state)
    return "\n".join(out)


# ---- IPython, where it is ----

shell = None


def load_ipython():
    """An IPython shell that shares the variables of the cells; None if there is none that works."""
    import tempfile
    os.environ.setdefault("IPYTHONDIR", os.path.join(tempfile.gettempdir(), ".rolltape-ipython"))
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    made = InteractiveShell.instance(config=config, user_module=main, user_ns=space)
    made.system = made.system_raw = made.system_piped = system
    made.getoutput = lambda command, split=True, depth=0: lines_of(command)
    made.showtraceback = lambda *rest, **more: show_error(sys.exc_info()[1])
    made.showsyntaxerror = made.showtraceback
    made.set_hook("show_in_pager", lambda self, data, start=0, screen_lines=0: show(
        (data.get("text/plain", "") if isinstance(data, dict) else str(data)) + "\n"))
    made.register_magic_function(pip, "line", "pip")
    for name in ("bash", "sh"):
        made.register_magic_function(script, "cell", name)
    for name in ("exit", "quit"):
        space.pop(name, None)
    return made


def prepare(cell):
    head, _, body = cell.partition("\n")
    found = re.match(r"%%(bash|sh)\b(.*)", head)
    if found:
        return "__rolltape__.script(%r, %r)" % (found.group(2).strip(), body)
    if shell is not None:
        return shell.transform_cell(cell)
    if head.startswith("%%"):
        raise UsageError("Cell magic `" + head.split()[0] + "` not found.")
    return translate(cell)


# ---- running ----

def run(cell, number):
    name = "Cell %d" % number
    code = prepare(cell)
    lines = code.split("\n")
    cells[name] = cell.split("\n")
    linecache.cache[name] = (len(code), None, [line + "\n" for line in lines], name)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(code, name, "exec", flags | ast.PyCF_ONLY_AST, True)
    last = None
    quiet = re.search(r";\s*(#.*)?\s*$", code)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    evaluate(compile(tree, name, "exec", flags, True))
    if last is None:
        return
    value = evaluate(compile(last, name, "eval", flags, True))
    if value is not None:
        space["_"] = value
        if not quiet:
            show(repr(value) + "\n")


def evaluate(code):
    global loop
    if not code.co_flags & inspect.CO_COROUTINE:
        return eval(code, space)
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(eval(code, space))


# ---- tracebacks ----

def place(path):
    """How a file is named: below the workspace as the file tool names it."""
    if path.startswith("<"):
        return None
    real = os.path.realpath(path)
    home = os.path.realpath(HOME)
    return "/workspace" + real[len(home):] if real.startswith(home + "/") else None


def frames(trace):
    """Own frames whole, of each run of library frames only the function that was called."""
    foreign = True  # What leads to the cell, as the event loop does, is not told.
    for frame, line in traceback.walk_tb(trace):
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if frame.f_globals.get("__rolltape_runner__"):
            foreign = True
            continue
        home = path if path in cells else place(path)
        if home is None:
            module = frame.f_globals.get("__name__") or os.path.basename(path)
            if not foreign:
                yield "  In the library %s, in %s\n" % (module.split(".")[0], name)
            foreign = True
            continue
        foreign = False
        where = home if path in cells else "File " + home
        source = cells[path][line - 1:line] if path in cells else [linecache.getline(path, line)]
        text = "  %s, line %s, in %s\n" % (where, line, name)
        yield text + ("    %s\n" % source[0].strip() if source and source[0].strip() else "")


def squeezed(parts):
    """Without the frames that repeat: how many there are depends on the machine."""
    parts = [part for at, part in enumerate(parts) if at < 2 or parts[at - 1] != part or parts[at - 2] != part]
    if len(parts) > 2 * SEVERAL:
        parts[SEVERAL:-SEVERAL] = ["  [more frames]\n"]
    return parts


def last_line(error):
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__", __name__):
        name = kind.__module__ + "." + name
    try:
        text = str(error)
    except BaseException:
        text = "<the text of the exception could not be made>"
    notes = getattr(error, "__notes__", None) or []
    notes = "".join(str(note) + "\n" for note in notes) if isinstance(notes, (list, tuple)) else ""
    return name + (": " + text if text else "") + "\n" + notes


def syntax_error(error):
    where, text = error.filename or "<unknown>", error.text or ""
    where = where if where in cells else "File " + (place(where) or where)
    shown = "  %s, line %s\n" % (where, error.lineno)
    stripped = text.rstrip("\n").lstrip()
    if stripped:
        shown += "    " + stripped + "\n"
    return shown + "%s: %s\n" % (type(error).__name__, error.msg)


def report(error, seen=()):
    text = ""
    cause, context = error.__cause__, error.__context__
    if cause is not None and id(cause) not in seen:
        text += report(cause, seen + (id(error),))
        text += "\nThe above exception was the direct cause of the following exception:\n\n"
    elif context is not None and not error.__suppress_context__ and id(context) not in seen:
        text += report(context, seen + (id(error),))
        text += "\nDuring handling of the above exception, another exception occurred:\n\n"
    parts = squeezed(list(frames(error.__traceback__)))
    if parts:
        text += "Traceback (most recent call last):\n" + "".join(parts)
    if isinstance(error, SyntaxError) and error.filename:
        return text + syntax_error(error)
    text += last_line(error)
    inner = getattr(error, "exceptions", None)
    if isinstance(inner, tuple) and len(seen) < 5:
        for number, one in enumerate(inner[:SEVERAL], 1):
            body = report(one, seen + (id(error),)).rstrip("\n")
            text += "  ---- exception %d ----\n  %s\n" % (number, body.replace("\n", "\n  "))
    return text


def show_error(error):
    if type(error).__name__ == "UsageError":
        return show("UsageError: " + str(error) + "\n")
    try:
        show(report(error))
    except BaseException:
        show(type(error).__name__ + "\n")


# ---- the requests ----

def take(count):
    data = b""
    while len(data) < count:
        piece = os.read(REQUESTS, min(count - len(data), 1 << 20))
        if not piece:
            os._exit(0)
        data += piece
    return data


def request():
    head = b""
    while not head.endswith(b"\n"):
        head += take(1)
    nonce, length = head.split()
    return nonce, take(int(length)).decode("utf-8", "replace")


def serve():
    global running
    number = 0
    while True:
        nonce, cell = request()
        put(OUT, b"\x1b_B" + nonce + b"\x1b\\")
        result = b"ok"
        if cell.strip():
            number += 1
            try:
                try:
                    if sys.stdin is None or sys.stdin.closed:
                        sys.stdin = open(os.devnull)  # `exit()` closes it.
                    running = True
                    run(cell, number)
                finally:
                    running = False
            except BaseException as error:
                result = b"error"
                if os.getpid() == OWNER:
                    show_error(error)
        if os.getpid() != OWNER:
            flush()
            os._exit(0)  # A child that the cell forked and that came back here.
        flush()
        put(OUT, b"\x1b_E" + nonce + b"\x1b\\")
        put(STATUS, nonce + b" " + result + b"\n")


__rolltape_runner__ = True
sys.modules["__main__"] = main
main.__rolltape__ = types.SimpleNamespace(system=system, lines_of=lines_of, magic=magic, script=script)
signal.signal(signal.SIGINT, on_interrupt)
try:
    if find_spec("IPython"):
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            shell = load_ipython()
        finally:
            os.close(quiet)
            os.dup2(OUT, 1)
            os.dup2(OUT, 2)
except BaseException:
    shell = None  # One that does not work is none.
space["display"] = lambda *values: show("".join(repr(value) + "\n" for value in values))
sys.path.insert(0, "")
try:
    serve()
except BaseException:
    os._exit(70)
