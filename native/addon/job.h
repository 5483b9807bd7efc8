// One call that runs off the event loop: work on a thread of its own, then a promise settled on the JavaScript thread.
#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace px {

class Job {
 public:
  // `work` must not touch JavaScript; `result` makes the promise's value from what it left behind. `keep` stays alive until then.
  // `done` runs on the JavaScript thread before the promise settles.
  Job(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
      std::vector<Napi::ObjectReference> keep, std::function<void()> done);
  ~Job();
  Napi::Promise promise() const { return deferred_.Promise(); }
  // Waits for the thread: for teardown, when the promise will never settle.
  void join();

 private:
  void settle(Napi::Env env);

  Napi::Promise::Deferred deferred_;
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::vector<Napi::ObjectReference> keep_;
  std::function<void()> done_;
  std::string code_, message_;  // of a failure
  Napi::ThreadSafeFunction notify_;
  std::thread thread_;
};

}  // namespace px
