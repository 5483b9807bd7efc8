// The kernels for the compiler's default target: SSE2 on x86-64, NEON on arm64, anything elsewhere.
#include <float.h>
#include <math.h>

#include "../bits.h"
#include "../prefetch.h"
#include "kernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define PX_VEC_BYTES 16
#define PX_LANES 8
#if defined(__aarch64__)
#define PX_CONV_POINTS 3
#else
#define PX_CONV_POINTS 1
#endif
#define PX_ALONE_POINTS 3
#define PX_CONV_RUN 8
#define PX_GRAD_ENTRIES 1
#define PX_OUTER_SUMS 8
#define PX_GRAD_CHANNELS 2
#define PX_ISA_NAME "base"
namespace px {
namespace base {
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
}  // namespace base
const Kernels* base_kernels() { return &base::kTable; }
}  // namespace px
