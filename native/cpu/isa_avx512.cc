// The kernels for AVX-512: sixteen lanes, thirty-two registers. The target is set by pragma, not by a build flag, so that both build systems need no per-file
// options; standard headers come first, so that none of their inline functions is compiled for a processor that lacks it.
#include <float.h>
#include <math.h>

#include "../bits.h"
#include "../prefetch.h"
#include "kernels.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma")
#endif

#define PX_VEC_BYTES 64
#define PX_LANES 16
#define PX_CONV_POINTS 4
#define PX_ALONE_POINTS 8
#define PX_CONV_RUN 16
#define PX_GRAD_ENTRIES 6
#define PX_OUTER_SUMS 16
#define PX_GRAD_CHANNELS 4
#define PX_ISA_NAME "avx512"
namespace px {
namespace avx512 {
#include "vec.h"
//
#include "axis.cc"
#include "conv.cc"
#include "direct.cc"
#include "elementwise.cc"
#include "gate.cc"
#include "grad.cc"
#include "smooth.cc"
#include "subset.cc"
#include "table.h"
}  // namespace avx512
const Kernels* avx512_kernels() { return &avx512::kTable; }
}  // namespace px

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
namespace px {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace px
#endif
