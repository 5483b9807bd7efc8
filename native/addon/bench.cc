#include "bench.h"

#include <algorithm>
#include <memory>
#include <string>

#include "../engine/time_step.h"
#include "call.h"
#include "guard.h"

namespace px {
namespace {

// A typed array of this type and length; kept alive, and looked after, through `keep`.
template <class Array>
Array typed(Napi::Env env, const Napi::Value& v, napi_typedarray_type type, size_t length, const char* what,
            std::vector<Borrowed>& keep) {
  if (!v.IsTypedArray() || v.As<Napi::TypedArray>().TypedArrayType() != type ||
      v.As<Napi::TypedArray>().ElementLength() != length)
    fail(env, "ERR_OPTION",
         std::string(what) + ": a typed array of " + std::to_string(length) + " elements expected");
  keep.emplace_back(v.As<Napi::TypedArray>());
  return v.As<Array>();
}

std::string isa_of(const Napi::Value& v) {
  return v.IsString() ? v.As<Napi::String>().Utf8Value() : std::string();
}

const char* limit(const std::string& isa) { return isa.empty() ? nullptr : isa.c_str(); }

int thread_count(const Napi::Value& v) { return std::clamp(v.ToNumber().Int32Value(), 1, 1024); }

StepPart part_of(Napi::Env env, const std::string& name) {
  const char* const names[] = {"f", "h", "j", "data-gradient", "weight-gradient"};
  for (uint32_t i = 0; i < 5; ++i)
    if (name == names[i]) return static_cast<StepPart>(i);
  fail(env, "ERR_OPTION", "timeStep: unknown part '" + name + "'");
}

}  // namespace

Napi::Value time_step_async(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&] {
    if (info.Length() < 8 || !info[0].IsTypedArray() || !info[3].IsObject() || !info[7].IsTypedArray())
      fail(env, "ERR_OPTION", "timeStep: (plan, weights, mask, options, x, d, out, seconds) expected");
    // Conversions first: they may run JavaScript, which may detach arrays.
    const Napi::Object options = info[3].As<Napi::Object>();
    const StepPart part = part_of(env, options.Get("part").ToString().Utf8Value());
    const int64_t samples = options.Get("samples").ToNumber().Int64Value();
    const int threads = thread_count(options.Get("threads"));
    const std::string isa = isa_of(options.Get("isa"));
    if (samples < 1 || samples > (1 << 24)) fail(env, "ERR_OPTION", "timeStep: 1 or more samples expected");

    const Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
    const auto plan = std::make_shared<const Plan>(read_plan(bytes.Data(), bytes.ElementLength()));
    if (plan->steps.empty() || plan->params.size() != 1 || plan->steps.back().kind != Kind::linear)
      fail(env, "ERR_OPTION", "timeStep: a plan with one parameter expected, whose last step is linear");
    const PlanStep& step = plan->steps.back();
    const size_t weights = plan->params[0].size, n = static_cast<size_t>(samples);
    const size_t in = n * plan->values[step.inputs[0]].size, up = n * plan->values[step.output].size;
    const size_t out = part == StepPart::weight_gradient ? weights
                       : part == StepPart::data_gradient ? in
                                                         : up;
    const size_t repeats = info[7].As<Napi::TypedArray>().ElementLength();
    std::vector<Borrowed> keep;
    const auto floats = [&](size_t i, size_t length, const char* what) {
      return typed<Napi::Float32Array>(env, info[i], napi_float32_array, length, what, keep).Data();
    };
    const float* w = floats(1, weights, "weights");
    const size_t mask_bytes = (weights + 7) / 8;
    const uint8_t* mask =
        typed<Napi::Uint8Array>(env, info[2], napi_uint8_array, mask_bytes, "mask", keep).Data();
    StepTiming timing{part,
                      static_cast<int>(samples),
                      nullptr,
                      floats(4, in, "x"),
                      floats(5, up, "d"),
                      floats(6, out, "out"),
                      nullptr,
                      repeats};
    timing.seconds =
        typed<Napi::Float64Array>(env, info[7], napi_float64_array, repeats, "seconds", keep).Data();
    const auto work = [plan, w, mask, mask_bytes, timing, isa](Threads& pool) mutable {
      timing.isa_limit = limit(isa);
      time_step(*plan, w, mask, mask_bytes, timing, pool);
    };
    return start_call(
        env, threads, work, [](Napi::Env e) { return e.Undefined(); }, std::move(keep));
  });
}

Napi::Value measure_peak_async(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&] {
    auto best = std::make_shared<double>(0.0);
    const auto work = [best, isa = isa_of(info[1])](Threads& threads) {
      *best = measure_peak(threads, limit(isa));
    };
    const auto result = [best](Napi::Env e) -> Napi::Value { return Napi::Number::New(e, *best); };
    return start_call(env, thread_count(info[0]), work, result, {});
  });
}

}  // namespace px
