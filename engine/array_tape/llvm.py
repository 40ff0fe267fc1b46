"""Printed loops as machine code: a compiler for the Python that `Printer` and updates print.

The arguments of a function are sizes, numbers and arrays. Its body has loops over ranges,
assignments, and formulas of floats, bools and indices. LLVM compiles it without fast-math flags, so
results are bit-identical to those of Python. Importing this module imports llvmlite, which numba
installs.
"""

import ast
import platform
from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

FLOATS: dict[str, Any] = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
BOOL, BYTE, INDEX = ir.IntType(1), ir.IntType(8), ir.IntType(64)
INTEGERS: dict[str, Any] = {f"int{bits}": ir.IntType(bits) for bits in (8, 16, 32, 64)}
INTEGERS["shared"] = INDEX  # shared with other threads
ELEMENTS = {**FLOATS, **INTEGERS, "bool": BYTE}  # in memory
NUMBERS = {**FLOATS, "int64": INDEX, "bool": BOOL}  # arguments
POINTER = BYTE.as_pointer()
LOOP_TYPE = ir.FunctionType(ir.VoidType(), [POINTER] * 4)  # arrays, sizes, strides, numbers
PAUSES = {"x86_64": ("llvm.x86.sse2.pause", []), "AMD64": ("llvm.x86.sse2.pause", []),
          "aarch64": ("llvm.aarch64.isb", [15]), "arm64": ("llvm.aarch64.isb", [15])}  # fmt: skip
COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
OPERATIONS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "sdiv",
    ast.Mod: "srem", ast.BitAnd: "and_", ast.BitOr: "or_",
}  # fmt: skip
WORD = 8  # bytes of an address, of a size, and of the slot of a number


class ArrayPointer:
    """An array argument: the address of its first element, and its dtype."""

    def __init__(self, address: ir.Value, dtype: str):
        self.address, self.dtype = address, dtype


class FunctionCompiler:
    """A compiler for one function. A variable has the type of the first value assigned to it.

    `module` contains the functions that it may call.
    """

    def __init__(self, module: ir.Module, name: str, tree: ast.FunctionDef, types: Sequence[Any]):
        """Compile a function. Each argument has an LLVM type, or the dtype of an array."""
        self.module, self.variables, self.arrays = module, {}, {}  # type: ignore[var-annotated]
        argument_types = [POINTER if isinstance(x, str) else x for x in types]
        is_loop = not any(isinstance(node, ast.Return) for node in ast.walk(tree))
        element = next(FLOATS[x] for x in types if x in FLOATS) if not is_loop else ir.VoidType()
        self.function = ir.Function(module, ir.FunctionType(element, argument_types), name)
        self.function.linkage = "internal"
        self.entry = ir.IRBuilder(self.function.append_basic_block())
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        for node, value, x in zip(tree.args.args, self.function.args, types, strict=True):
            if isinstance(x, str):
                if x != "shared":
                    value.add_attribute("noalias")  # results have their own buffers
                kind = ELEMENTS[x].as_pointer()
                self.arrays[node.arg] = ArrayPointer(self.entry.bitcast(value, kind), x)
            else:
                self.assign(node.arg, value)
        self.run(tree.body)
        if is_loop:
            self.builder.ret_void()
        elif not self.builder.block.is_terminated:
            self.builder.unreachable()
        self.entry.branch(self.function.blocks[1])

    # ---------------------------------------------------------------------------------- statements

    def run(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            getattr(self, f"run_{type(statement).__name__}")(statement)

    def run_Assign(self, node: ast.Assign) -> None:
        (target,) = node.targets
        if isinstance(target, ast.Tuple):
            assert isinstance(node.value, ast.Tuple)
            for name, value in zip(target.elts, map(self.value, node.value.elts), strict=True):
                assert isinstance(name, ast.Name)
                self.assign(name.id, value)
        elif isinstance(target, ast.Name):
            self.assign(target.id, self.value(node.value))
        else:
            assert isinstance(target, ast.Subscript)
            array, address = self.find_element(target)
            kind = {**FLOATS, **INTEGERS}.get(array.dtype, BOOL)
            value = self.convert(self.value(node.value), kind)
            self.builder.store(self.builder.zext(value, BYTE) if kind is BOOL else value, address)

    def run_AugAssign(self, node: ast.AugAssign) -> None:
        assert isinstance(node.target, ast.Name)
        load = ast.Name(node.target.id, ast.Load())
        self.assign(node.target.id, self.value(ast.BinOp(load, node.op, node.value)))

    def run_Return(self, node: ast.Return) -> None:
        assert node.value is not None
        self.builder.ret(self.value(node.value))

    def run_If(self, node: ast.If) -> None:
        with self.builder.if_else(self.value(node.test)) as (then, otherwise):
            with then:
                self.run(node.body)
            with otherwise:
                self.run(node.orelse)

    def run_While(self, node: ast.While) -> None:
        test, body, after = [self.function.append_basic_block() for _ in range(3)]
        self.builder.branch(test)
        self.builder.position_at_end(test)
        self.builder.cbranch(self.value(node.test), body, after)
        self.builder.position_at_end(body)
        self.run(node.body)
        self.builder.branch(test)
        self.builder.position_at_end(after)

    def run_Expr(self, node: ast.Expr) -> None:
        self.value(node.value)

    def run_For(self, node: ast.For) -> None:
        """Compile `for i in range(...)`, with one, two or three bounds."""
        assert isinstance(node.target, ast.Name)
        assert isinstance(node.iter, ast.Call)
        bounds = [self.value(x) for x in node.iter.args]
        start, end = ([INDEX(0), *bounds] if len(bounds) == 1 else bounds)[:2]
        step = bounds[2] if len(bounds) > 2 else INDEX(1)
        self.assign(node.target.id, start)
        test, body, after = [self.function.append_basic_block() for _ in range(3)]
        self.builder.branch(test)
        self.builder.position_at_end(test)
        i = self.builder.load(self.variables[node.target.id])
        self.builder.cbranch(self.builder.icmp_signed("<", i, end), body, after)
        self.builder.position_at_end(body)
        self.run(node.body)
        i = self.builder.load(self.variables[node.target.id])
        self.assign(node.target.id, self.builder.add(i, step, flags=["nsw"]))
        self.builder.branch(test)
        self.builder.position_at_end(after)

    def assign(self, name: str, value: ir.Value) -> None:
        if name not in self.variables:
            self.variables[name] = self.entry.alloca(value.type)
        pointer = self.variables[name]
        self.builder.store(self.convert(value, pointer.type.pointee), pointer)

    # ------------------------------------------------------------------------------------- formulas

    def value(self, node: ast.expr) -> ir.Value:
        return getattr(self, f"value_{type(node).__name__}")(node)

    def value_Constant(self, node: ast.Constant) -> ir.Value:
        assert type(node.value) in (int, bool)  # other numbers have a dtype
        return (BOOL if type(node.value) is bool else INDEX)(node.value)

    def value_Name(self, node: ast.Name) -> ir.Value:
        return self.builder.load(self.variables[node.id])

    def value_Subscript(self, node: ast.Subscript) -> ir.Value:
        array, address = self.find_element(node)
        value = self.builder.load(address)
        if array.dtype in INTEGERS:
            return self.builder.sext(value, INDEX)
        return value if array.dtype in FLOATS else self.builder.icmp_signed("!=", value, BYTE(0))

    def value_BinOp(self, node: ast.BinOp) -> ir.Value:
        x, y = self.match(self.value(node.left), self.value(node.right))
        if x.type is BOOL and isinstance(node.op, ast.Div):
            x, y = [self.convert(z, FLOATS["float64"]) for z in (x, y)]
        name = OPERATIONS[type(node.op)]
        return getattr(self.builder, f"f{name}" if has_float_type(x) else name)(x, y)

    def value_UnaryOp(self, node: ast.UnaryOp) -> ir.Value:
        x = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return self.builder.not_(x)
        return self.builder.fneg(x) if has_float_type(x) else self.builder.neg(x)

    def value_Compare(self, node: ast.Compare) -> ir.Value:
        (right,), (op,) = node.comparators, node.ops
        x, y = self.match(self.value(node.left), self.value(right))
        sign = COMPARISONS[type(op)]
        if has_float_type(x):  # only != is true for nan
            compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
            return compare(sign, x, y)
        compare = self.builder.icmp_unsigned if x.type is BOOL else self.builder.icmp_signed
        return compare(sign, x, y)

    def value_BoolOp(self, node: ast.BoolOp) -> ir.Value:
        first, *others = map(self.value, node.values)
        for x in others:
            first = self.builder.or_(first, x)
        return first

    def value_IfExp(self, node: ast.IfExp) -> ir.Value:
        test = self.value(node.test)
        if has_float_type(test):
            test = self.builder.fcmp_unordered("!=", test, test.type(0.0))
        return self.builder.select(
            test, *self.match(self.value(node.body), self.value(node.orelse))
        )

    def value_Call(self, node: ast.Call) -> ir.Value:
        """Compile `np.float32(1.0)`, `np.sqrt(x)`, `abs(x)` and calls of other functions."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in FLOATS:
            number = eval(ast.unparse(node.args[0]), {"np": np})
            return FLOATS[node.func.attr](float(number))
        if isinstance(node.func, ast.Attribute):
            assert node.func.attr == "sqrt"
            return self.call_intrinsic("llvm.sqrt", self.value(node.args[0]))
        assert isinstance(node.func, ast.Name)
        if f := getattr(self, f"call_{node.func.id}", None):
            return f(*node.args)
        if node.func.id == "abs":
            x = self.value(node.args[0])
            return self.call_intrinsic("llvm.fabs", x) if has_float_type(x) else x
        array, *others = node.args
        if isinstance(array, ast.Call):  # a.reshape(-1)
            assert isinstance(array.func, ast.Attribute)
            array = array.func.value
        assert isinstance(array, ast.Name)
        x = self.arrays[array.id]
        f = self.module.get_global(f"{node.func.id}_{x.dtype}")
        address = self.builder.bitcast(x.address, POINTER)
        return self.builder.call(f, [address, *map(self.value, others)])

    def call_intrinsic(self, name: str, x: ir.Value) -> ir.Value:
        f = self.module.declare_intrinsic(name, [x.type])
        return self.builder.call(f, [x])

    def call_load(self, array: ast.expr, i: ast.expr) -> ir.Value:
        """Return an element; if another thread wrote it, all it wrote before is visible, too."""
        return self.builder.load_atomic(self.find_word(array, i), "acquire", WORD)

    def call_store(self, array: ast.expr, i: ast.expr, value: ast.expr) -> None:
        """Write an element; threads that read it see everything that was written before, too."""
        self.builder.store_atomic(self.value(value), self.find_word(array, i), "release", WORD)

    def call_swap(self, array: ast.expr, i: ast.expr, old: ast.expr, new: ast.expr) -> ir.Value:
        """Replace an element if it equals `old`, atomically; return whether it did."""
        values, order = [self.value(old), self.value(new)], "seq_cst"
        found = self.builder.cmpxchg(self.find_word(array, i), *values, order, order)
        return self.builder.extract_value(found, 1)

    def find_word(self, array: ast.expr, i: ast.expr) -> ir.Value:
        return self.find_element(ast.Subscript(array, i, ast.Load()))[1]

    def call_peek(self, address: ast.expr) -> ir.Value:
        """Return the word at an address."""
        return self.builder.load(self.builder.inttoptr(self.value(address), INDEX.as_pointer()))

    def call_poke(self, address: ast.expr, value: ast.expr) -> None:
        """Write the word at an address."""
        pointer = self.builder.inttoptr(self.value(address), INDEX.as_pointer())
        self.builder.store(self.value(value), pointer)

    def call_call(self, address: ast.expr, *args: ast.expr) -> None:
        """Call the function at an address; its arguments are words."""
        kind = ir.FunctionType(ir.VoidType(), [INDEX] * len(args)).as_pointer()
        f = self.builder.inttoptr(self.value(address), kind)
        self.builder.call(f, [self.value(x) for x in args])

    def call_pause(self) -> None:
        """Pause the processor for an instant, in a loop that waits for another thread."""
        if instruction := PAUSES.get(platform.machine()):
            name, numbers = instruction
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)] * len(numbers))
            f = self.module.globals.get(name) or ir.Function(self.module, kind, name)
            self.builder.call(f, [ir.IntType(32)(x) for x in numbers])

    def find_element(self, node: ast.Subscript) -> tuple[ArrayPointer, ir.Value]:
        """Return an array and the address of its element i, or (i, j).

        The rows of arrays are `width` elements apart; a loop computes n elements of each row.
        """
        assert isinstance(node.value, ast.Name)
        array = self.arrays[node.value.id]
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        index, *columns = map(self.value, indices)
        for column in columns:
            width = self.builder.load(self.variables["width"])
            index = self.builder.mul(index, width, flags=["nsw"])
            index = self.builder.add(index, column, flags=["nsw"])
        return array, self.builder.gep(array.address, [index], inbounds=True)

    def match(self, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Return both values in one type. Bools are converted to numbers."""
        return (self.convert(x, y.type), y) if x.type is BOOL else (x, self.convert(y, x.type))

    def convert(self, x: ir.Value, kind: ir.Type) -> ir.Value:
        if x.type == kind:
            return x
        if x.type is BOOL:
            return (self.builder.uitofp if kind is not INDEX else self.builder.zext)(x, kind)
        raise TypeError(f"cannot convert {x.type} to {kind} in a printed loop")


def has_float_type(x: ir.Value) -> bool:
    return isinstance(x.type, ir.FloatType | ir.DoubleType)


# --------------------------------------------------------------------------------------- functions


def build_loop(
    name: str, source: str, helpers: str, numbers: Sequence[str], arrays: Sequence[str], head: int
) -> ir.Module:
    """Return a module with a function of four pointers: to arrays, sizes, strides and numbers.

    The first pointer is to addresses of data. If there are no strides, it is to addresses of
    NumPy's array objects, each of which contains the address of its data after `head` bytes.

    The function calls the one in `source`, whose arguments are the numbers of rows and columns, and
    numbers and arrays of the given dtypes. `helpers` has the functions that `source` may call. The
    third size is the number of elements from one row to the next.
    """
    module = ir.Module(name)
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.FunctionDef)
    tree.args.args.insert(2, ast.arg("width"))
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for helper in ast.parse(helpers).body:
        assert isinstance(helper, ast.FunctionDef)
        for dtype in sorted({*arrays} & {*FLOATS}) if "pairwise" in called else ():
            types = [dtype, INDEX, INDEX]
            FunctionCompiler(module, f"{helper.name}_{dtype}", helper, types)
    kinds = [NUMBERS[x] for x in numbers]
    body = FunctionCompiler(module, f"{name}_body", tree, [*[INDEX] * 3, *kinds, *arrays]).function
    body.attributes.add("noinline")  # inlining loses that arrays are distinct
    function = ir.Function(module, LOOP_TYPE, name)
    builder = ir.IRBuilder(function.append_basic_block())
    addresses, sizes, strides, slots = function.args
    of_objects = builder.icmp_unsigned("==", strides, ir.Constant(POINTER, None))
    read = lambda address, i, kind: builder.load(
        builder.bitcast(builder.gep(address, [INDEX(WORD * i)]), kind.as_pointer())
    )
    values = [read(sizes, i, INDEX) for i in range(3)]
    values += [read(slots, i, kind) for i, kind in enumerate(kinds)]
    for i in range(len(arrays)):
        place = builder.gep(addresses, [INDEX(WORD * i)])
        field = builder.gep(read(addresses, i, POINTER), [INDEX(head)])
        values.append(read(builder.select(of_objects, field, place), 0, POINTER))
    builder.call(body, values)
    builder.ret_void()
    return module


def build_function(name: str, source: str) -> ir.Module:
    """Return a module with a function whose arguments are arrays of int64, shared by threads."""
    module = ir.Module(name)
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.FunctionDef)
    types = ["shared"] * len(tree.args.args)
    FunctionCompiler(module, name, tree, types).function.linkage = ""
    return module


def compile_module(module: ir.Module) -> bytes:
    """Return the object code of a module for the processor of this machine."""
    machine = make_machine()
    parsed = llvm.parse_assembly(str(module))
    parsed.triple = machine.triple
    parsed.verify()
    optimize_module(parsed, machine)
    return machine.emit_object(parsed)


def make_machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        codemodel="jitdefault",
        jit=True,
    )


def optimize_module(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Vectorize and simplify, as `clang -O3` does."""
    if hasattr(llvm, "create_pass_builder"):
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = options.slp_vectorization = True
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        return
    old = llvm.create_pass_manager_builder()  # before llvmlite 0.44
    old.opt_level, old.loop_vectorize, old.slp_vectorize = 3, True, True
    manager = llvm.create_module_pass_manager()
    machine.add_analysis_passes(manager)
    old.populate(manager)
    manager.run(module)
