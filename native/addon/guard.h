// How a call from JavaScript fails: with an Error that carries a code of src/errors.ts.
#pragma once
#include <napi.h>

#include <new>
#include <string>

#include "../engine/error.h"

namespace px {

[[noreturn]] inline void fail(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  throw error;
}

// Runs what may throw C++ exceptions; they go on as JavaScript's, with a code.
template <class F>
auto guarded(Napi::Env env, F f) -> decltype(f()) {
  try {
    return f();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& e) {
    fail(env, e.code(), e.what());
  } catch (const std::bad_alloc&) {
    fail(env, "ERR_MEMORY", "out of memory; use a smaller --micro-batch or --size, or end other programs");
  } catch (const std::exception& e) {
    fail(env, "ERR_BACKEND", e.what());
  }
}

}  // namespace px
