#include "job.h"

#include <new>

#include "../engine/error.h"

namespace px {

Job::Job(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
         std::vector<Napi::ObjectReference> keep, std::function<void()> done)
    : deferred_(Napi::Promise::Deferred::New(env)),
      work_(std::move(work)),
      result_(std::move(result)),
      keep_(std::move(keep)),
      done_(std::move(done)) {
  notify_ = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                          "path-exclusion", 0, 1);
  thread_ = std::thread([this] {
    try {
      work_();
    } catch (const Error& e) {
      code_ = e.code();
      message_ = e.what();
    } catch (const std::bad_alloc&) {
      code_ = "ERR_MEMORY";
      message_ = "out of memory; use a smaller --micro-batch or --size";
    } catch (const std::exception& e) {
      code_ = "ERR_BACKEND";
      message_ = e.what();
    }
    // Settling may delete this job, so the handle is a copy.
    Napi::ThreadSafeFunction notify = notify_;
    notify.BlockingCall([this](Napi::Env env, Napi::Function) {
      if (env != nullptr) settle(env);
    });
    notify.Release();
  });
}

Job::~Job() { join(); }

void Job::join() {
  if (thread_.joinable()) thread_.join();
}

void Job::settle(Napi::Env env) {
  Napi::HandleScope scope(env);
  join();
  Napi::Promise::Deferred deferred = deferred_;
  Napi::Value value;
  if (code_.empty()) {
    value = result_(env);
  } else {
    Napi::Error error = Napi::Error::New(env, message_);
    error.Set("code", Napi::String::New(env, code_));
    value = error.Value();
  }
  const bool ok = code_.empty();
  const auto done = std::move(done_);
  done();  // may delete this
  if (ok) {
    deferred.Resolve(value);
  } else {
    deferred.Reject(value);
  }
}

}  // namespace px
