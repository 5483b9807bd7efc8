// The addon's index page: everything JavaScript can reach is named here.
#include <napi.h>

#include "bench.h"
#include "program_wrap.h"
#include "select.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Program", px::ProgramWrap::define(env));
  exports.Set("selectTopK", Napi::Function::New(env, px::select_top_k, "selectTopK"));
  exports.Set("selectTopKAsync", Napi::Function::New(env, px::select_top_k_async, "selectTopKAsync"));
  exports.Set("timeStep", Napi::Function::New(env, px::time_step_async, "timeStep"));
  exports.Set("measurePeak", Napi::Function::New(env, px::measure_peak_async, "measurePeak"));
  exports.Set("isa", Napi::String::New(env, px::pick_kernels(nullptr).isa));
  return exports;
}

NODE_API_MODULE(path_exclusion, init)
