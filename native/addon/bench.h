// The JavaScript face of native/engine/time_step.h: single steps, and the machine's peak, measured off the event loop.
#pragma once
#include <napi.h>

namespace px {

// timeStep(plan: Uint8Array, weights: Float32Array, mask: Uint8Array, {part, samples, threads, isa?}, x: Float32Array, d: Float32Array,
//          out: Float32Array, seconds: Float64Array): {done: Promise<void>, abort(): void}
//
// Fills `out` and `seconds`, one number per repeat. All arrays but the plan are borrowed until `done` settles.
Napi::Value time_step_async(const Napi::CallbackInfo& info);

// measurePeak(threads, isa?): {done: Promise<number>, abort(): void}, in FLOP/s.
Napi::Value measure_peak_async(const Napi::CallbackInfo& info);

}  // namespace px
