// A call that is not a program's: it holds what its work needs, and goes when its promise settles or the environment closes.
#pragma once
#include <napi.h>

#include <functional>
#include <vector>

#include "../engine/threads.h"
#include "borrowed.h"

namespace px {

// Starts `work` off the event loop, with threads of its own. {done: Promise of `result`'s value, abort(): void}. Neither may touch what
// `keep` does not hold; `work` must not touch JavaScript.
Napi::Value start_call(Napi::Env env, int threads, std::function<void(Threads&)> work,
                       std::function<Napi::Value(Napi::Env)> result, std::vector<Borrowed> keep);

}  // namespace px
