#include "job.h"

#include <new>
#include <system_error>

#include "../engine/error.h"

namespace px {

Job::Job(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
         std::vector<Borrowed> keep, std::function<void()> done)
    : deferred_(Napi::Promise::Deferred::New(env)),
      work_(std::move(work)),
      result_(std::move(result)),
      keep_(std::move(keep)),
      done_(std::move(done)) {
  notify_ = Notify::New(env, "path-exclusion", 1, 1, this);
  try {
    thread_ = std::thread(&Job::run, this);
  } catch (const std::system_error& e) {
    notify_.Release();
    throw Error("ERR_BACKEND", std::string("the system has no thread left to work on (") + e.what() +
                                   "); end other programs or raise the limit (ulimit -u)");
  }
}

Job::~Job() { join(); }

void Job::join() {
  if (thread_.joinable()) thread_.join();
}

void Job::fail(const char* code, const std::string& message) {
  code_ = code;
  message_ = message;
}

void Job::run() {
  try {
    work_();
  } catch (const Error& e) {
    fail(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    fail("ERR_MEMORY", "out of memory; use a smaller --micro-batch or --size");
  } catch (const std::exception& e) {
    fail("ERR_BACKEND", e.what());
  }
  // Settling joins this thread before it deletes the job, so `notify_` is there for both calls. Once the environment closes, it takes
  // neither: whoever closes it joins this thread too.
  if (notify_.BlockingCall() == napi_ok) notify_.Release();
}

void Job::on_loop(Napi::Env env, Napi::Function, Job* job, void*) {
  if (env != nullptr) job->settle(env);
}

void Job::settle(Napi::Env env) {
  Napi::HandleScope scope(env);
  join();
  if (code_.empty())
    for (const Borrowed& array : keep_)
      if (!array.intact()) {
        fail("ERR_STATE",
             "an array was transferred, detached or resized while a call worked on it: its result is void; "
             "leave arrays alone until the promise settles");
        break;
      }
  const bool ok = code_.empty();
  Napi::Value value;
  if (ok) {
    value = result_(env);
  } else {
    Napi::Error error = Napi::Error::New(env, message_);
    error.Set("code", Napi::String::New(env, code_));
    value = error.Value();
  }
  const Napi::Promise::Deferred deferred = deferred_;
  const auto done = std::move(done_);
  done();  // may delete this
  if (ok) {
    deferred.Resolve(value);
  } else {
    deferred.Reject(value);
  }
}

}  // namespace px
