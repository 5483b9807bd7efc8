// The addon's index page: everything JavaScript can reach is named here.
#include <napi.h>

#include "program_wrap.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Program", px::ProgramWrap::define(env));
  exports.Set("isa", Napi::String::New(env, px::pick_kernels(nullptr).isa));
  return exports;
}

NODE_API_MODULE(path_exclusion, init)
