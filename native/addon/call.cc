#include "call.h"

#include <memory>

#include "job.h"

namespace px {
namespace {

class Call {
 public:
  static Napi::Value start(Napi::Env env, int threads, std::function<void(Threads&)> work,
                           std::function<Napi::Value(Napi::Env)> result, std::vector<Borrowed> keep) {
    auto call = std::make_unique<Call>();
    call->threads_ = std::make_shared<Threads>(threads);
    Napi::Object handle = Napi::Object::New(env);
    // Whoever still holds the function afterwards holds no thread with it.
    const auto abort = [threads = std::weak_ptr<Threads>(call->threads_)](const Napi::CallbackInfo&) {
      if (const auto running = threads.lock()) running->abort();
    };
    handle.Set("abort", Napi::Function::New(env, abort));
    const auto done = [self = call.get(), env] {
      self->hook_.Remove(env);
      delete self;
    };
    call->job_ = std::make_unique<Job>(
        env, [work = std::move(work), threads = call->threads_.get()] { work(*threads); }, std::move(result),
        std::move(keep), done);
    // From here on the call ends itself.
    Call* self = call.release();
    self->hook_ = env.AddCleanupHook(&Call::at_exit, self);
    handle.Set("done", self->job_->promise());
    return handle;
  }

 private:
  static void at_exit(Call* self) {
    self->threads_->abort();
    self->job_->join();
    delete self;
  }

  std::shared_ptr<Threads> threads_;
  std::unique_ptr<Job> job_;
  Napi::Env::CleanupHook<void (*)(Call*), Call> hook_;
};

}  // namespace

Napi::Value start_call(Napi::Env env, int threads, std::function<void(Threads&)> work,
                       std::function<Napi::Value(Napi::Env)> result, std::vector<Borrowed> keep) {
  return Call::start(env, threads, std::move(work), std::move(result), std::move(keep));
}

}  // namespace px
