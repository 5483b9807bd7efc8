// The one list of CPU kernels: plain functions over pointers and sizes, compiled once per instruction set (isa_*.cc).
//
// Letters: L lanes (samples, or positions for a single sample) that lie next to each other, C input channels of a group,
// M output channels of a group, E elements a sample. Every pointer is borrowed; `out` marks what is written.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace px {

constexpr int kQuad = 4;  // output channels computed together

// A quad's weights are sorted by the set of its channels that have one at a place. Bit m of a set stands for channel m; the empty one
// has no entries.
constexpr int kQuadSets = 1 << kQuad;
// The set of those that have bit t.
constexpr int set_at(const uint64_t (&bits)[kQuad], size_t t) {
  return static_cast<int>((bits[0] >> t & 1) | (bits[1] >> t & 1) << 1 | (bits[2] >> t & 1) << 2 |
                          (bits[3] >> t & 1) << 3);
}
constexpr int set_channels(int set) { return (set & 1) + (set >> 1 & 1) + (set >> 2 & 1) + (set >> 3); }

// The surviving weights of four neighbouring output channels, set after set, from the last.
struct ConvList {
  const int32_t* off;         // per entry, its offset in x, in floats
  const float* w;             // per entry, a weight for each channel of its set; null: all are 1
  uint32_t count[kQuadSets];  // entries
  uint32_t boxed;             // bit m: channel m is `start` less its entries
};

// What a caller will read next is fetched into L2 while a kernel computes, a few lines with every few sets (of a single channel's list, with
// its only one): fetched all at once, it would be waited for.
constexpr size_t kLineFloats = 16;
constexpr int kAheadEvery = 4;
struct ConvAhead {
  const float* row;
  size_t step;     // floats between rows
  uint32_t lines;  // of a row
  uint32_t rows;   // still to come, the present one included
  uint32_t line;   // of the present row, the next
  uint32_t each;   // lines at a time: always as many, for branches to be foreseen
};

struct ConvArgs {
  const float* x;       // at the first point; each is a vector, the next one behind it
  const ptrdiff_t* yp;  // per point, its offset in y
  int points;           // 1 .. Kernels::conv_points, or alone_points where there is one channel
  const ConvList* lists;
  int channels;         // output channels; lists holds one entry per four
  const float* start;   // a vector per point, or null
  float* y;             // out, at the first channel
  ptrdiff_t y_channel;  // floats between output channels
  const float* bias;    // per channel, or null
  float scale;          // applied to the sum (a power of two for h, g and j; 1 for f)
  bool add;             // to what y holds
  bool clamp;           // negative results become 0
  float* max;           // in and out: largest value stored, or null
  bool far;             // y may be in memory, and is fetched a quad ahead
  ConvAhead* ahead;     // in and out, or null
  // Null, or: y becomes bit ? factor * factors[channel] * y + plus_factor * plus : 0. Bits and plus lie like y, factors and plus may be
  // null.
  const uint8_t* bits;
  const float* plus;
  const float* factors;
  float factor, plus_factor;
};

// Rows of so many neighbouring vectors, `step` floats from one to the next.
struct Rows {
  size_t count, vectors, step;
};

// Per channel the mean, and the sum of squared distances from it, of vectors' first `filled` lanes.
constexpr int kMomentChannels = 4;
struct MomentsArgs {
  const float* x;
  ptrdiff_t channel;  // floats between channels
  int channels;       // 1 .. kMomentChannels
  Rows rows;
  int lanes, filled;
  double *mean, *m2;  // out, per channel
};

// Neighbouring vectors of d and of x that are multiplied.
struct GradRun {
  ptrdiff_t d, x;
  int32_t count;
};

struct GradArgs {
  const float* d;       // upstream of the first channel
  ptrdiff_t d_channel;  // floats between channels
  int channels;         // 1 .. 4
  const float* x;
  const GradRun* runs;
  int run_count;
  ptrdiff_t d_step, x_step;  // floats between vectors of a run
  const int32_t* off;        // per entry, its offset in x
  uint32_t entries;
  float* sum;  // in and out: per entry, one float a channel
};

// Sums of outer products, over points: of some channels' floats of d with neighbouring vectors of x.
struct OuterArgs {
  const float* d;    // of the first channel
  ptrdiff_t d_step;  // floats between channels
  const float* x;
  const ptrdiff_t* dp;  // per point, its offset in a channel of d
  const ptrdiff_t* xp;  // per point, its offset in x
  int points;
  int vectors;         // 1 .. outer_vectors
  int outs;            // channels: 1 .. outer_sums / vectors, at most kOuterOuts
  float* sum;          // in and out: so many vectors a channel
  ptrdiff_t sum_step;  // floats between those of neighbours
};
constexpr int kOuterOuts = 8;

// The surviving weights between up to sixteen places of x and some output channels, for one sample.
constexpr int kSubsetWeights = 16, kSubsetVectors = 4;
struct SubsetArgs {
  const float* x;
  const int32_t* off;   // per place, its offset in x
  int entries;          // places
  int vectors;          // 1 .. kSubsetVectors at each place
  const uint8_t* mask;  // with spare bytes (bits.h)
  size_t first, step;   // the first weight, and weights between output channels
  size_t rows;          // output channels
  const float* d;
  size_t d_step;  // floats between output channels
};

// What a weight of a linear step counts as: θ·m, m, or (θ·2^shift)²·m.
enum class Source { theta, mask, theta_squared };

// A matrix of weights that are used so few times that a list of the surviving ones would cost more than it saves.
struct DirectArgs {
  Source source;
  const float* values;
  const uint8_t* mask;  // with spare bytes (bits.h)
  float squared_scale;  // 2^shift
  size_t first, step;   // the first weight, and weights between rows
  size_t rows, cols;
  const float* x;           // a vector, or one number, per column; direct_cols: per row
  float* y;                 // out: per row; direct_cols: per column, added to
  size_t x_block, y_block;  // floats between sample blocks
  int blocks;               // vectors: 1 .. 4; numbers: 1
};

// Its gradient: g[r][c] += factor * (u[r] . v[c]) where the mask has a weight.
struct DirectGradArgs {
  const uint8_t* mask;
  size_t first, step;  // the first weight, and weights between rows
  size_t rows, cols;
  const float *u, *v;  // a vector, or one number, per row and per column
  size_t u_block, v_block;
  int blocks;  // vectors: 1 or more; numbers: 1
  float factor;
  float* g;  // in and out, laid out as the weights are
};

// Neighbouring weights, 0 where the mask has none: out[i] = weight(values[first + i]).
struct MaskedArgs {
  Source source;
  const float* values;
  const uint8_t* mask;  // with spare bytes (bits.h)
  float squared_scale;  // 2^shift
  size_t first, count;
  float* out;
};

// out[first + i] += v[i] where the mask has a weight; or = v[i], and 0 where it has none.
struct AddMaskedArgs {
  const uint8_t* mask;  // with spare bytes (bits.h)
  size_t first, count;
  const float* v;
  float* out;
  bool replace;
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

// A ReLU over a range whose input is still to be computed: y = max(0, affine(x) + plus_factor * plus).
struct ReluArgs {
  AffineArgs of;      // without a maximum
  const float* plus;  // lies like x, or null
  float plus_factor;
  uint8_t* bits;  // out: one a float of y (above zero), or null; the range begins with a byte
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

// One input row of a maximum's way back: what the outputs that chose it have.
struct AxisBackArgs {
  const float* d;         // outputs, from the first row on
  const uint8_t* choice;  // entry number per output, as AxisMaxArgs gives it
  const uint32_t* rows;   // output rows that have the input among their entries
  const uint32_t* entry;  // as which
  uint32_t count;
  size_t inner;
  float* y;    // out
  float* max;  // in and out
};

struct Kernels {
  const char* isa;
  int lanes;                      // floats of a vector
  int conv_points;                // positions computed together: as many as registers hold
  int alone_points;               // likewise for a single output channel
  int outer_vectors, outer_sums;  // of outer: the most vectors of x, and the most vectors of sums
  int grad_channels;              // of grad: the output channels that share places, at most
  void (*conv)(const ConvArgs*);
  void (*conv_runs)(const ConvArgs*);  // the same, summed in short runs for accuracy
  void (*conv_ones)(const ConvArgs*);  // the same, of weights that are all 1
  void (*grad)(const GradArgs*);
  void (*outer)(const OuterArgs*);
  // Sum of d times what weights of 1 make of x.
  float (*subset_total)(const SubsetArgs*);
  // y = W x and y += Wᵀ x, by [0] for lanes and [1] for a single sample.
  void (*direct_rows[2])(const DirectArgs*);
  void (*direct_cols[2])(const DirectArgs*);
  void (*direct_grad[2])(const DirectGradArgs*);
  void (*masked)(const MaskedArgs*);
  void (*add_masked)(const AddMaskedArgs*);
  void (*relu)(const ReluArgs*);
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
  // s = (theta * shift)² * s * factor, in double; returns whether all of s is finite.
  bool (*score)(const float* theta, float* s, size_t n, double shift, double factor);
  // y = s*(x - m) + t.
  void (*affine)(const AffineArgs*);
  void (*moments)(const MomentsArgs*);
  void (*axis)(const AxisArgs*);
  void (*axis_max)(const AxisMaxArgs*);
  void (*axis_back)(const AxisBackArgs*);
  float (*largest)(const float* x, size_t n);  // max |x|
  // y = rows of `count` floats, which lie `step` >= count apart in x, side by side; returns max |y|.
  float (*join_rows)(const float* x, size_t step, size_t rows, size_t count, float* y);
};

// The best set this processor runs; `limit` names the highest allowed (nullptr: no limit), as PX_ISA does.
const Kernels& pick_kernels(const char* limit);

}  // namespace px
