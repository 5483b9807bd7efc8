// The one list of CPU kernels: plain functions over pointers and sizes, compiled once per instruction set (isa_*.cc).
//
// Letters: L lanes (samples, or positions for a single sample) that lie next to each other, C input channels of a group,
// M output channels of a group, T taps, E elements a sample. Every pointer is borrowed; `out` marks what is written.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace px {

// Output channels computed together by a conv kernel, and the tile of the weight gradient. Packed weights follow them.
constexpr int kConvBlock = 4;
constexpr int kGradRows = 4;  // output channels
constexpr int kGradCols = 3;  // input channels

// One tap of one output point: offsets in floats into x, and into the packed weights of a channel block.
struct Tap {
  ptrdiff_t x;
  ptrdiff_t w;
};

// One output point: taps [first, first + count) of the task's list; y is its offset in floats.
struct ConvPoint {
  int32_t first;
  int32_t count;
  ptrdiff_t y;
};

struct ConvArgs {
  const float* x;       // input, already at its group's first channel
  ptrdiff_t x_channel;  // floats between input channels
  int channels;         // C
  const Tap* taps;
  const ConvPoint* points;
  int point_count;
  const float* w;       // packed [T][C][block], block = kConvBlock or 1
  float* y;             // out, at the block's first channel
  ptrdiff_t y_channel;  // floats between output channels
  int rows;             // output channels to store, 1..block
  const float* bias;    // `rows` values, or null
  float scale;          // applied to the sum (a power of two for h, g and j; 1 for f)
  float* max;           // in and out: largest value stored, or null
};

struct GradArgs {
  const float* x;
  ptrdiff_t x_channel, x_step;  // floats between channels, and between neighbouring points
  const float* d;
  ptrdiff_t d_channel, d_step;
  int points;
  int rows, cols;  // channels in this tile: 1..kGradRows, 1..kGradCols
  float* sum;      // in and out: [kGradRows][kGradCols] vectors of 8 partial sums
};

// ReLU, LeakyReLU, PReLU over a range of a tensor. The slope below zero repeats: slope[i] holds for `segment` floats, then the next.
struct LeakyArgs {
  const float* z;  // forward only
  float* y;        // out, may be z
  const float* c;  // companion (or upstream) in, or null
  float* c_out;    // out, may be c
  uint8_t* bits;   // one bit a float (z > 0), LSB first; written forward (or null), read by the adjoint
  const float* slope;
  size_t slopes;
  size_t segment;
  size_t first;  // the range's place in the tensor, in floats: a multiple of 8
  size_t count;
  float scale;  // applied to the companion
  float* max;   // in and out: largest companion
};

// A smooth activation over a range; fn numbers px::Activation.
struct SmoothArgs {
  uint32_t fn;
  float alpha, beta;
  const float* z;
  float* y;        // out, may be z
  const float* c;  // companion in, or null
  float* c_out;    // out, may be c
  float* squares;  // out: a² for the adjoint, or null
  size_t count;
  float scale;
  float* max;  // in and out: largest companion
};

// y = s*(x - m) + t over a range, m, s and t holding for `segment` floats each and repeating after `period` of them.
struct AffineArgs {
  const float* x;
  float* y;        // out, may be x
  const float* m;  // null: 0
  const float* s;  // null: 1
  const float* t;  // null: 0
  size_t period;
  size_t segment;
  size_t first;  // the range's place in the tensor, in floats
  size_t count;
  float scale;  // applied to s
  float* max;   // in and out: largest y
};

// One axis of a Kronecker product: out[o] = scale * sum over entries of value * in[index], `inner` floats each.
struct AxisArgs {
  const float* x;
  float* y;  // out
  const uint32_t* start;
  const uint32_t* index;
  const float* value;
  int rows;  // number of output rows to compute, start points at the first
  size_t inner;
  float scale;
  float fill;  // value of rows without entries
  float* max;  // in and out, or null
};

struct AxisMaxArgs {
  const float* f;
  float* f_out;
  const float* c;  // companion, or null
  float* c_out;
  uint32_t* choice;  // out, entry number per float, or null
  const uint32_t* start;
  const uint32_t* index;
  int rows;
  size_t inner;
};

struct Kernels {
  const char* isa;
  // y[m] = scale * sum_t sum_c w[t][c][m] x[c + tap t] + bias, for each point. Lanes 8 or 16; block kConvBlock or 1.
  void (*conv8)(const ConvArgs*);
  void (*conv16)(const ConvArgs*);
  void (*conv8_single)(const ConvArgs*);
  void (*conv16_single)(const ConvArgs*);
  // sum[m][c] += sum over points and lanes of d[m] * x[c]; lanes 8 or 16.
  void (*grad8)(const GradArgs*);
  void (*grad16)(const GradArgs*);
  void (*leaky)(const LeakyArgs*);
  // c_out = scale * c * (bit ? 1 : slope²).
  void (*leaky_adjoint)(const LeakyArgs*);
  void (*smooth)(const SmoothArgs*);
  // y = s * x; returns the largest |y|.
  float (*scale)(const float* x, float* y, size_t n, float s);
  // y = a*x + b*y.
  float (*axpby)(const float* x, float a, float* y, float b, size_t n);
  // y = s * x * k * k elementwise (k borrowed); returns the largest y.
  float (*mul_square)(const float* x, const float* k, float* y, size_t n, float s);
  // y = s * x * k elementwise; returns the largest y.
  float (*mul)(const float* x, const float* k, float* y, size_t n, float s);
  // y = s*(x - m) + t.
  void (*affine)(const AffineArgs*);
  // Per lane over n vectors of `lanes` floats: sum and sum of squared distances from the lane's mean.
  void (*moments)(const float* x, size_t n, int lanes, float* sum, float* m2);
  void (*axis)(const AxisArgs*);
  void (*axis_max)(const AxisMaxArgs*);
  float (*largest)(const float* x, size_t n);  // max |x|
};

// The best set this processor runs; `limit` names the highest allowed (nullptr: no limit), as PX_ISA does.
const Kernels& pick_kernels(const char* limit);

}  // namespace px
