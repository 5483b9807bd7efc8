// The JavaScript face of native/select: exact global top-k and its masks.
#pragma once
#include <napi.h>

namespace px {

// selectTopK(scores: Float32Array[], alive: Uint8Array[], kept: Uint8Array[], k, floor, threads): boolean
//
// Fills `kept`, which holds zeros. False where native/select/top_k.h finds no selection: src/prune/radix.ts then says why.
Napi::Value select_top_k(const Napi::CallbackInfo& info);

// The same off the event loop: {done: Promise<boolean>, abort(): void}. The arrays are borrowed until `done` settles.
Napi::Value select_top_k_async(const Napi::CallbackInfo& info);

}  // namespace px
