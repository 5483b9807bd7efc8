#include "select.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <memory>

#include "../select/top_k.h"
#include "call.h"
#include "guard.h"

namespace px {
namespace {

struct Task {
  std::vector<select::Tensor> tensors;
  uint64_t k = 0, floor = 0;
  int threads = 1;
  std::vector<Borrowed> keep;
};

uint64_t whole_number(Napi::Env env, const Napi::Value& v, const char* what) {
  const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : -1;
  if (!(x >= 0 && x <= 9007199254740991.0 && x == std::floor(x)))
    fail(env, "ERR_OPTION", std::string(what) + ": a whole number expected, 0 or more");
  return static_cast<uint64_t>(x);
}

std::vector<Napi::Value> elements(Napi::Env env, const Napi::Value& v, const char* what) {
  if (!v.IsArray()) fail(env, "ERR_OPTION", std::string(what) + ": an array of typed arrays expected");
  const Napi::Array array = v.As<Napi::Array>();
  const uint32_t length = array.Length();
  std::vector<Napi::Value> out;
  for (uint32_t i = 0; i < length; ++i) out.push_back(array.Get(i));
  return out;
}

template <class Array>
Array typed(Napi::Env env, const Napi::Value& v, napi_typedarray_type type, const char* what) {
  if (!v.IsTypedArray() || v.As<Napi::TypedArray>().TypedArrayType() != type)
    fail(env, "ERR_OPTION", std::string(what) + ": typed arrays of another kind expected");
  return v.As<Array>();
}

Task read_task(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  // All elements first: to get one may run JavaScript, which may detach another.
  const std::vector<Napi::Value> scores = elements(env, info[0], "scores");
  const std::vector<Napi::Value> alive = elements(env, info[1], "alive");
  const std::vector<Napi::Value> kept = elements(env, info[2], "kept");
  if (alive.size() != scores.size() || kept.size() != scores.size())
    fail(env, "ERR_OPTION", "scores, alive, kept: one array each per tensor expected");
  Task task;
  task.k = whole_number(env, info[3], "k");
  task.floor = whole_number(env, info[4], "floor");
  const uint64_t threads = std::min<uint64_t>(whole_number(env, info[5], "threads"), 1024);
  for (size_t i = 0; i < scores.size(); ++i) {
    auto s = typed<Napi::Float32Array>(env, scores[i], napi_float32_array, "scores");
    auto a = typed<Napi::Uint8Array>(env, alive[i], napi_uint8_array, "alive");
    auto m = typed<Napi::Uint8Array>(env, kept[i], napi_uint8_array, "kept");
    const size_t size = s.ElementLength();
    const size_t bytes = (size + 7) / 8;
    if (a.ElementLength() != bytes || m.ElementLength() != bytes)
      fail(env, "ERR_OPTION", "alive, kept: one bit per score expected");
    task.tensors.push_back({s.Data(), a.Data(), size, m.Data()});
    for (const Napi::TypedArray& array : {Napi::TypedArray(s), Napi::TypedArray(a), Napi::TypedArray(m)})
      task.keep.emplace_back(array);
  }
  task.threads = select::useful_threads(task.tensors, static_cast<int>(threads));
  return task;
}

}  // namespace

Napi::Value select_top_k(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const Task task = read_task(info);
    const auto work = [&] {
      Threads threads(task.threads);
      return select::top_k(task.tensors, task.k, task.floor, threads);
    };
    // On a thread of its own although this one waits: Threads changes how the thread it runs on treats denormals, and JavaScript's
    // must stay as it is.
    return Napi::Boolean::New(env, std::async(std::launch::async, work).get());
  });
}

Napi::Value select_top_k_async(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&] {
    Task task = read_task(info);
    auto found = std::make_shared<bool>(false);
    const auto work = [tensors = std::move(task.tensors), k = task.k, floor = task.floor,
                       found](Threads& threads) { *found = select::top_k(tensors, k, floor, threads); };
    const auto result = [found](Napi::Env e) -> Napi::Value { return Napi::Boolean::New(e, *found); };
    return start_call(env, task.threads, work, result, std::move(task.keep));
  });
}

}  // namespace px
