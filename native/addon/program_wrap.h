// The JavaScript face of Program: checks what memory safety needs, and nothing else; options are validated in TypeScript.
#pragma once
#include <napi.h>

#include <memory>

#include "../engine/program.h"
#include "job.h"

namespace px {

class ProgramWrap : public Napi::ObjectWrap<ProgramWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  // new Program(plan: Uint8Array, weights: Float32Array[], {joint, batchStatistics, threads, isa?})
  explicit ProgramWrap(const Napi::CallbackInfo& info);
  ~ProgramWrap() override;

 private:
  Napi::Value set_mask(const Napi::CallbackInfo& info);  // (param, bytes)
  // (scores: Float32Array[], u: Float32Array[]), both filled by finish; a round of f alone without arguments
  Napi::Value begin(const Napi::CallbackInfo& info);
  Napi::Value push(const Napi::CallbackInfo& info);  // (x, samples, y: Float32Array[] | null): Promise<void>
  Napi::Value finish(const Napi::CallbackInfo& info);  // (): Promise<{R, Jfv2, Jvt2}>
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);  // {current, peak}
  Napi::Value dispose(const Napi::CallbackInfo& info);
  Napi::Value isa(const Napi::CallbackInfo& info);

  Program& idle(Napi::Env env);  // throws ERR_STATE when disposed or busy
  Napi::Value start(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
                    std::vector<Borrowed> keep);
  Program& ready(
      Napi::Env env);  // and throws ERR_STATE when what the program works on is no longer where it was
  void stop();         // aborts a running job and waits for it
  void release();
  void account();  // tells the collector what a forgotten program would set free
  static void at_exit(ProgramWrap* self);

  std::unique_ptr<Program> program_;
  std::vector<Borrowed> weights_, results_;  // of the program; of the round
  std::unique_ptr<Job> job_;
  bool closing_ = false;
  size_t peak_ = 0;        // of a program released
  int64_t accounted_ = 0;  // bytes the collector knows of
  Napi::Env::CleanupHook<void (*)(ProgramWrap*), ProgramWrap> hook_;
};

}  // namespace px
