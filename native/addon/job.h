// One call that runs off the event loop: work on a thread of its own, then a promise settled on the JavaScript thread.
#pragma once
#include <napi.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "borrowed.h"

namespace px {

class Job {
 public:
  // `work` must not touch JavaScript; `result` makes the promise's value from what it left behind. `keep` stays alive until then.
  // `done` runs on the JavaScript thread before the promise settles. Throws Error(ERR_BACKEND) where the system has no thread left.
  Job(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
      std::vector<Borrowed> keep, std::function<void()> done);
  ~Job();
  Napi::Promise promise() const { return deferred_.Promise(); }
  // Waits for the thread: for teardown, when the promise will never settle.
  void join();

 private:
  static void on_loop(Napi::Env env, Napi::Function, Job* job, void*);
  // Typed: what a closing environment drops unseen is then no allocation of ours.
  using Notify = Napi::TypedThreadSafeFunction<Job, void, &Job::on_loop>;

  void run();
  void settle(Napi::Env env);
  void fail(const char* code, const std::string& message);

  Napi::Promise::Deferred deferred_;
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::vector<Borrowed> keep_;
  std::function<void()> done_;
  std::string code_, message_;  // of a failure
  Notify notify_;
  std::thread thread_;
};

}  // namespace px
