# STUBTEMP
def plan(*a, **k): raise RuntimeError
def PrepareOptions(*a, **k): raise RuntimeError
