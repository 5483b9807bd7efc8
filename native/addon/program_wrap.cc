#include "program_wrap.h"

#include "guard.h"

namespace px {
namespace {

// A Float32Array of the length given; kept alive, and looked after, through `keep`.
float* floats(Napi::Env env, const Napi::Value& v, size_t length, const char* what,
              std::vector<Borrowed>& keep) {
  if (!v.IsTypedArray() || v.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array ||
      v.As<Napi::TypedArray>().ElementLength() != length)
    fail(env, "ERR_OPTION",
         std::string(what) + ": a Float32Array of " + std::to_string(length) + " numbers expected");
  keep.emplace_back(v.As<Napi::TypedArray>());
  return v.As<Napi::Float32Array>().Data();
}

// One Float32Array per size.
std::vector<float*> arrays(Napi::Env env, const Napi::Value& v, const std::vector<size_t>& sizes,
                           const char* what, std::vector<Borrowed>& keep) {
  if (!v.IsArray() || v.As<Napi::Array>().Length() != sizes.size())
    fail(env, "ERR_OPTION", std::string(what) + ": " + std::to_string(sizes.size()) + " arrays expected");
  std::vector<float*> out;
  for (uint32_t i = 0; i < sizes.size(); ++i)
    out.push_back(floats(env, v.As<Napi::Array>().Get(i), sizes[i], what, keep));
  return out;
}

}  // namespace

Napi::Function ProgramWrap::define(Napi::Env env) {
  return DefineClass(
      env, "Program",
      {InstanceMethod("setMask", &ProgramWrap::set_mask), InstanceMethod("begin", &ProgramWrap::begin),
       InstanceMethod("push", &ProgramWrap::push), InstanceMethod("finish", &ProgramWrap::finish),
       InstanceMethod("abort", &ProgramWrap::abort), InstanceMethod("memory", &ProgramWrap::memory),
       InstanceMethod("dispose", &ProgramWrap::dispose), InstanceMethod("isa", &ProgramWrap::isa)});
}

ProgramWrap::ProgramWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ProgramWrap>(info) {
  Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsTypedArray() || !info[1].IsArray() || !info[2].IsObject())
    fail(env, "ERR_OPTION", "Program: (plan, weights, options) expected");
  const Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  const Napi::Object o = info[2].As<Napi::Object>();
  ProgramOptions options;
  options.joint = o.Get("joint").ToBoolean();
  options.batch_statistics = o.Get("batchStatistics").ToBoolean();
  options.threads = std::clamp(o.Get("threads").ToNumber().Int32Value(), 1, 1024);
  const std::string isa = o.Get("isa").IsString() ? o.Get("isa").As<Napi::String>().Utf8Value() : "";
  if (!isa.empty()) options.isa_limit = isa.c_str();
  guarded(env, [&] {
    Plan plan = read_plan(bytes.Data(), bytes.ElementLength());
    std::vector<size_t> sizes;
    for (const auto& p : plan.params) sizes.push_back(p.size);
    const std::vector<float*> data = arrays(env, info[1], sizes, "weights", weights_);
    program_ = std::make_unique<Program>(std::move(plan), std::vector<const float*>(data.begin(), data.end()),
                                         options);
  });
  account();
  hook_ = env.AddCleanupHook(&ProgramWrap::at_exit, this);
}

ProgramWrap::~ProgramWrap() {
  stop();
  release();
  if (!hook_.IsEmpty()) hook_.Remove(Env());
}

// The environment goes away (a worker is terminated, say): nothing of ours may run on.
void ProgramWrap::at_exit(ProgramWrap* self) {
  self->closing_ = true;
  self->stop();
  self->hook_ = {};
}

void ProgramWrap::stop() {
  if (!job_) return;
  program_->abort();
  job_->join();
}

Program& ProgramWrap::idle(Napi::Env env) {
  if (!program_ || closing_) fail(env, "ERR_STATE", "the program is disposed; compile the plan again");
  if (job_) fail(env, "ERR_STATE", "the program is busy: await the call before");
  return *program_;
}

Program& ProgramWrap::ready(Napi::Env env) {
  Program& program = idle(env);
  const auto check = [&](const std::vector<Borrowed>& arrays, const char* what, const char* until) {
    for (size_t i = 0; i < arrays.size(); ++i)
      if (!arrays[i].intact())
        fail(env, "ERR_STATE",
             std::string(what) + "[" + std::to_string(i) +
                 "] was transferred, detached or resized, but the program works on it until " + until);
  };
  check(weights_, "weights", "it is disposed: dispose it and compile again");
  check(results_, "results", "the round ends: begin another");
  return program;
}

Napi::Value ProgramWrap::start(Napi::Env env, std::function<void()> work,
                               std::function<Napi::Value(Napi::Env)> result, std::vector<Borrowed> keep) {
  job_ = guarded(env, [&] {
    return std::make_unique<Job>(env, std::move(work), std::move(result), std::move(keep), [this] {
      job_.reset();
      if (closing_) release();
      account();
      Unref();
    });
  });
  Ref();  // not collected while the job runs
  return job_->promise();
}

Napi::Value ProgramWrap::set_mask(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const uint32_t param = info[0].ToNumber().Uint32Value();
  Program& program = idle(env);
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    fail(env, "ERR_OPTION", "setMask: a Uint8Array expected");
  const Napi::Uint8Array bits = info[1].As<Napi::Uint8Array>();
  guarded(env, [&] { program.set_mask(param, bits.Data(), bits.ElementLength()); });
  return env.Undefined();
}

Napi::Value ProgramWrap::begin(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bool scoring = info.Length() > 0;
  std::vector<Borrowed> keep;
  RoundOutput out;
  if (scoring) {
    const Plan& plan = idle(env).plan();
    std::vector<size_t> sizes, u_sizes;
    for (const auto& p : plan.params) sizes.push_back(p.size);
    for (uint32_t o : plan.outputs) u_sizes.push_back(plan.values[o].size);
    out.scores = arrays(env, info[0], sizes, "scores", keep);
    out.u = arrays(env, info.Length() > 1 ? info[1] : env.Undefined(), u_sizes, "u", keep);
    for (const Borrowed& array : keep)
      if (!array.intact()) fail(env, "ERR_STATE", "scores or u changed while they were handed over");
  }
  Program& program = idle(env);  // an array's getter may have disposed it
  guarded(env, [&] { program.begin(scoring ? &out : nullptr); });
  results_ = std::move(keep);
  return env.Undefined();
}

Napi::Value ProgramWrap::push(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  // Conversions first: they may run JavaScript, which may dispose the program.
  const int64_t samples = info[1].ToNumber().Int64Value();
  Program& program = ready(env);
  const Plan& plan = program.plan();
  if (samples < 1 || samples > (1 << 24)) fail(env, "ERR_OPTION", "push: 1 or more samples expected");
  const auto n = static_cast<size_t>(samples);
  std::vector<Borrowed> keep;
  const float* data = floats(env, info[0], n * plan.values[plan.input].size, "x", keep);
  std::vector<float*> y;
  const bool wanted = info[2].IsArray();
  if (wanted) {
    std::vector<size_t> sizes;
    for (uint32_t o : plan.outputs) sizes.push_back(n * plan.values[o].size);
    y = arrays(env, info[2], sizes, "y", keep);
  }
  return start(
      env,
      [&program, data, samples, y, wanted] {
        program.push(data, static_cast<int>(samples), wanted ? &y : nullptr);
      },
      [](Napi::Env e) { return e.Undefined(); }, std::move(keep));
}

Napi::Value ProgramWrap::finish(const Napi::CallbackInfo& info) {
  Program& program = ready(info.Env());
  auto log2 = std::make_shared<Log2Scalars>();
  return start(
      info.Env(), [&program, log2] { *log2 = program.finish(); },
      [this, log2](Napi::Env e) -> Napi::Value {
        results_.clear();
        Napi::Object r = Napi::Object::New(e);
        r.Set("R", log2->R);
        r.Set("Jfv2", log2->Jfv2);
        r.Set("Jvt2", log2->Jvt2);
        return r;
      },
      {});
}

Napi::Value ProgramWrap::abort(const Napi::CallbackInfo& info) {
  if (program_ && job_) program_->abort();
  return info.Env().Undefined();
}

Napi::Value ProgramWrap::memory(const Napi::CallbackInfo& info) {
  Napi::Object r = Napi::Object::New(info.Env());
  r.Set("current", static_cast<double>(program_ ? program_->current_bytes() : 0));
  r.Set("peak", static_cast<double>(program_ ? program_->peak_bytes() : peak_));
  return r;
}

// A running call is aborted first; its promise rejects, and the memory goes when it has.
Napi::Value ProgramWrap::dispose(const Napi::CallbackInfo& info) {
  closing_ = true;
  if (job_) {
    program_->abort();
  } else {
    release();
  }
  return info.Env().Undefined();
}

void ProgramWrap::release() {
  if (program_) peak_ = program_->peak_bytes();
  program_.reset();
  weights_.clear();
  results_.clear();
  account();
}

void ProgramWrap::account() {
  const int64_t held = program_ ? static_cast<int64_t>(program_->current_bytes()) : 0;
  if (held != accounted_) Napi::MemoryManagement::AdjustExternalMemory(Env(), held - accounted_);
  accounted_ = held;
}

Napi::Value ProgramWrap::isa(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), idle(info.Env()).isa());
}

}  // namespace px
