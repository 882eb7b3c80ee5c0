// One function for the host for each kernel of a gpu.module.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/Emulator/Lowering.h"

#include "Emitter.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::emulator;

namespace {
class ModuleLowering {
public:
  ModuleLowering(gpu::GPUModuleOp source, ModuleOp into, int chip, const EmulatorOptions &options)
      : source(source), into(into), e(source, into, chip), options(options) {}
  LogicalResult run();

private:
  LogicalResult lowerKernel(LLVM::LLVMFuncOp kernel);
  LogicalResult lowerDeviceFunction(LLVM::LLVMFuncOp function);
  LogicalResult lowerBody(LLVM::LLVMFuncOp function);
  LogicalResult lowerOp(Operation *op);
  LogicalResult lowerCall(LLVM::CallOp call);
  LLVM::LLVMFuncOp makeBody(LLVM::LLVMFuncOp kernel);
  void makeDescription(LLVM::LLVMFuncOp kernel, const SharedLayout &layout);
  void makePhase(LLVM::LLVMFuncOp kernel);
  void makeLimits();
  Type descriptionType();
  Type functionType(ArrayRef<Type> arguments) {
    return LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(e.b.getContext()), arguments);
  }

  gpu::GPUModuleOp source;
  ModuleOp into;
  Emitter e;
  const EmulatorOptions &options;
  Limits limits = {};
};
} // namespace

static std::string bodyName(StringRef kernel) { return (kernel + ".thread").str(); }
static std::string descriptionName(StringRef kernel) { return (kernel + ".kernel").str(); }

static bool isKernel(LLVM::LLVMFuncOp function) {
  return function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName());
}

/// Three numbers from an attribute; missing ones are 1.
static SmallVector<int32_t> three(Operation *op, StringRef name) {
  SmallVector<int32_t> values(3, 1);
  if (auto array = op->getAttrOfType<DenseI32ArrayAttr>(name))
    llvm::copy(array.asArrayRef().take_front(3), values.begin());
  return values;
}

/// 0 if there are more than three, one of them is not positive, or there are too many together.
static int64_t product(ArrayRef<int32_t> values) {
  int64_t result = values.size() > 3 ? 0 : 1;
  for (int32_t value : values)
    result = value < 1 || result > INT32_MAX / value ? 0 : result * value;
  return result;
}

static constexpr StringRef itemsName = "kvasir.items", gridName = "kvasir.grid";

/// What a kernel must say, see docs/Rationale/Emulator.md.
static LogicalResult checkKernel(LLVM::LLVMFuncOp kernel) {
  StringRef blockName = NVVM::NVVMDialect::getReqntidAttrName();
  auto block = kernel->getAttrOfType<DenseI32ArrayAttr>(blockName);
  int64_t threads = block ? product(block.asArrayRef()) : 0;
  if (threads < 32 || threads > 1024 || threads % 32)
    return kernel.emitOpError() << "has " << threads << " threads per block ('" << blockName
                                << "'), expected a multiple of 32 up to 1024";
  auto grid = kernel->getAttrOfType<DenseI32ArrayAttr>(gridName);
  auto items = kernel->getAttrOfType<DenseI64ArrayAttr>(itemsName);
  bool hasItems = items && items.size() == 4 && llvm::all_of(items.asArrayRef(), [](int64_t n) {
                    return n >= 0 && n <= INT32_MAX;
                  });
  if (!hasItems && (items || !grid || product(grid.asArrayRef()) < 1))
    return kernel.emitOpError(
        "has no blocks; expected an attribute 'kvasir.items' or 'kvasir.grid' "
        "that says how many");
  for (Type type : kernel.getArgumentTypes())
    if (!isa<LLVM::LLVMPointerType>(type))
      return kernel.emitOpError() << "has an argument of type " << type
                                  << ", expected pointers: the step arguments, then the operands";
  if (kernel.getNumArguments() == 0)
    return kernel.emitOpError("has no argument, expected the step arguments first");
  return success();
}

LogicalResult ModuleLowering::lowerCall(LLVM::CallOp call) {
  auto callee = call.getCallee();
  auto target = callee ? into.lookupSymbol<LLVM::LLVMFuncOp>(*callee) : nullptr;
  if (!target)
    return call.emitOpError("is not to a function of the module, which is all that a kernel may "
                            "call");
  call.getCalleeOperandsMutable().assign(llvm::to_vector(
      llvm::concat<Value>(SmallVector<Value>{e.thread()}, call.getCalleeOperands())));
  return success();
}

LogicalResult ModuleLowering::lowerOp(Operation *op) {
  static constexpr LowerFamily families[] = {lowerAtomic, lowerMemory, lowerRegister,  lowerBarrier,
                                             lowerWarp,   lowerMatrix, lowerConversion};
  e.startOp(op);
  if (auto call = dyn_cast<LLVM::CallOp>(op))
    return lowerCall(call);
  if (isKept(op))
    return success();
  for (LowerFamily lower : families) {
    bool known = false;
    LogicalResult result = lower(op, e, known);
    if (known)
      return result;
  }
  return op->emitOpError("is an op that the emulator does not know");
}

/// All ops of a function; all that cannot be done are reported.
LogicalResult ModuleLowering::lowerBody(LLVM::LLVMFuncOp function) {
  SmallVector<Operation *> ops;
  for (Block &block : function.getBody())
    for (Operation &op : block)
      ops.push_back(&op);
  bool good = true;
  for (Operation *op : ops)
    good &= succeeded(lowerOp(op));
  return success(good);
}

/// An empty function of the kernel's body: (thread, step arguments, operands).
LLVM::LLVMFuncOp ModuleLowering::makeBody(LLVM::LLVMFuncOp kernel) {
  e.b.setInsertionPointToEnd(into.getBody());
  Type pointer = e.pointer();
  auto body =
      LLVM::LLVMFuncOp::create(e.b, bodyName(kernel.getName()),
                               functionType({pointer, pointer, pointer}), LLVM::Linkage::Internal);
  Block *entry = body.addEntryBlock(e.b);
  e.b.setInsertionPointToStart(entry);
  SmallVector<Value> arguments;
  for (BlockArgument argument : kernel.getArguments()) {
    Value value = body.getArgument(1);
    if (int32_t number = argument.getArgNumber()) {
      Value place = LLVM::GEPOp::create(e.b, pointer, pointer, body.getArgument(2),
                                        ArrayRef<LLVM::GEPArg>{number - 1});
      value = LLVM::LoadOp::create(e.b, pointer, place);
    }
    if (value.getType() != argument.getType())
      value = LLVM::AddrSpaceCastOp::create(e.b, argument.getType(), value);
    arguments.push_back(value);
  }
  Block *first = &kernel.getBody().front();
  body.getBody().getBlocks().splice(body.getBody().end(), kernel.getBody().getBlocks());
  for (auto [old, value] : llvm::zip(first->getArguments(), arguments))
    old.replaceAllUsesWith(value);
  first->eraseArguments(0, first->getNumArguments());
  LLVM::BrOp::create(e.b, ValueRange(), first);
  return body;
}

LogicalResult ModuleLowering::lowerKernel(LLVM::LLVMFuncOp kernel) {
  if (failed(checkKernel(kernel)))
    return failure();
  FailureOr<SharedLayout> layout = layOutSharedMemory(kernel, e.chip);
  if (failed(layout))
    return failure();
  e.b.setLoc(kernel.getLoc());
  LLVM::LLVMFuncOp body = makeBody(kernel);
  e.startFunction(body, &*layout);
  Block *entry = &body.getBody().front();
  SmallVector<Operation *> ops;
  bool good = true;
  for (Block &block : body.getBody())
    if (&block != entry)
      for (Operation &op : block)
        ops.push_back(&op);
  for (Operation *op : ops)
    good &= succeeded(lowerOp(op));
  if (!good)
    return failure();
  e.b.setLoc(kernel.getLoc());
  makeDescription(kernel, *layout);
  makePhase(kernel);
  return success();
}

LogicalResult ModuleLowering::lowerDeviceFunction(LLVM::LLVMFuncOp function) {
  e.startFunction(function, nullptr);
  return lowerBody(function);
}

/// emulator::Kernel.
Type ModuleLowering::descriptionType() {
  Type three = LLVM::LLVMArrayType::get(e.i32(), 3);
  return LLVM::LLVMStructType::getLiteral(
      e.b.getContext(), {e.pointer(), e.pointer(), three, three, e.i32(), e.i32(), e.i32(), e.i32(),
                         e.i64(), LLVM::LLVMArrayType::get(e.i64(), 4), e.i64()});
}
static_assert(sizeof(Kernel) == 104 && offsetof(Kernel, staticShared) == 40 &&
              offsetof(Kernel, seed) == 56 && offsetof(Kernel, items) == 64);

void ModuleLowering::makeDescription(LLVM::LLVMFuncOp kernel, const SharedLayout &layout) {
  SmallVector<int32_t> block = three(kernel, NVVM::NVVMDialect::getReqntidAttrName());
  SmallVector<int32_t> grid = three(kernel, gridName);
  limits.threads = std::max<uint32_t>(limits.threads, product(block));
  limits.shared = std::max<uint32_t>(limits.shared, layout.staticBytes + layout.dynamicBytes);

  e.b.setInsertionPointToEnd(into.getBody());
  auto global =
      LLVM::GlobalOp::create(e.b, descriptionType(), /*isConstant=*/true, LLVM::Linkage::Internal,
                             descriptionName(kernel.getName()), Attribute());
  e.b.setInsertionPointToStart(e.b.createBlock(&global.getInitializerRegion()));
  Value value = LLVM::PoisonOp::create(e.b, descriptionType());
  auto set = [&](ArrayRef<int64_t> at, Value part) {
    value = LLVM::InsertValueOp::create(e.b, value, part, at);
  };
  set({0}, e.text("name", kernel.getName()));
  set({1}, LLVM::AddressOfOp::create(e.b, e.pointer(), bodyName(kernel.getName())));
  for (int64_t i = 0; i < 3; ++i) {
    set({2, i}, e.constant(block[i]));
    set({3, i}, e.constant(grid[i]));
  }
  set({4}, e.constant(int64_t(layout.staticBytes)));
  set({5}, e.constant(int64_t(layout.dynamicBytes)));
  set({6}, e.constant(int64_t(kernel.getFunctionType().getNumParams()) - 1));
  set({7}, e.constant(e.waitsForGrid));
  auto wide = [&](int64_t number) -> Value {
    return LLVM::ConstantOp::create(e.b, e.i64(), e.b.getI64IntegerAttr(number));
  };
  set({8}, wide(int64_t(options.seed)));
  auto items = kernel->getAttrOfType<DenseI64ArrayAttr>(itemsName);
  for (int64_t i = 0; i < 4; ++i)
    set({9, i}, wide(items ? items[i] : -1));
  set({10}, wide(options.blocks));
  LLVM::ReturnOp::create(e.b, value);
}

/// The phase function: hands the description to the emulator.
void ModuleLowering::makePhase(LLVM::LLVMFuncOp kernel) {
  e.b.setInsertionPointToEnd(into.getBody());
  Type pointer = e.pointer(), i32 = e.i32();
  auto phase =
      LLVM::LLVMFuncOp::create(e.b, kernel.getName(), functionType({pointer, pointer, i32, i32}));
  Block *entry = phase.addEntryBlock(e.b);
  e.b.setInsertionPointToStart(entry);
  SmallVector<Value> arguments = {
      LLVM::AddressOfOp::create(e.b, pointer, descriptionName(kernel.getName()))};
  llvm::append_range(arguments, phase.getArguments());
  e.call("kvasir_emu_launch", nullptr, arguments);
  LLVM::ReturnOp::create(e.b, ValueRange());
}

void ModuleLowering::makeLimits() {
  e.b.setInsertionPointToEnd(into.getBody());
  limits.partialBarriers = e.partialBarriers;
  std::array<int32_t, 3> values = {int32_t(limits.threads), int32_t(limits.shared),
                                   int32_t(limits.partialBarriers)};
  auto shaped = RankedTensorType::get({3}, e.i32());
  auto global =
      LLVM::GlobalOp::create(e.b, LLVM::LLVMArrayType::get(e.i32(), 3),
                             /*isConstant=*/true, LLVM::Linkage::External, "kvasir_emu_limits",
                             DenseElementsAttr::get(shaped, ArrayRef<int32_t>(values)));
  global.setVisibility_(LLVM::Visibility::Hidden);
}

LogicalResult ModuleLowering::run() {
  bool good = true;
  // Device functions first, so that calls find them.
  SmallVector<LLVM::LLVMFuncOp> kernels, functions;
  for (auto function : llvm::make_early_inc_range(source.getOps<LLVM::LLVMFuncOp>())) {
    if (isKernel(function)) {
      kernels.push_back(function);
      continue;
    }
    if (function.isExternal())
      continue; // a call of it is reported
    auto type = function.getFunctionType();
    SmallVector<Type> parameters = {e.pointer()};
    llvm::append_range(parameters, type.getParams());
    function->moveBefore(into.getBody(), into.getBody()->end());
    function.setLinkage(LLVM::Linkage::Internal);
    function.setFunctionType(LLVM::LLVMFunctionType::get(type.getReturnType(), parameters));
    function.removeArgAttrsAttr();
    function.getBody().front().insertArgument(0u, e.pointer(), function.getLoc());
    functions.push_back(function);
  }
  for (LLVM::LLVMFuncOp function : functions)
    good &= succeeded(lowerDeviceFunction(function));
  for (LLVM::LLVMFuncOp kernel : kernels)
    good &= succeeded(lowerKernel(kernel));
  makeLimits();
  e.writeConstantRanges();
  return success(good);
}

LogicalResult kvasir::lowerToEmulator(ModuleOp module, const EmulatorOptions &options) {
  OpBuilder builder(module.getContext());
  bool good = true;
  for (auto source : llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
    StringRef name = source.getName(), digits = name;
    int chip = 0;
    if (!digits.consume_front("sm_") || digits.getAsInteger(10, chip))
      return source.emitOpError() << "is for the machine '" << name
                                  << "', expected sm_NN: the emulator has no other features";
    builder.setInsertionPoint(source);
    auto into = ModuleOp::create(builder, source.getLoc(), ("emulate:" + name).str());
    good &= succeeded(ModuleLowering(source, into, chip, options).run());
    source.erase();
  }
  return success(good);
}
