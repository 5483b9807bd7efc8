#include "direct.h"

namespace px {
namespace {

constexpr int kMostBlocks = 4;                    // vectors a weight is used for
constexpr size_t kTaskWeights = size_t{1} << 16;  // of which a task goes through
constexpr size_t kTileFloats = 4096;              // of outputs that stay in L1 while rows go over them
constexpr size_t kTileRows = 128;                 // whose products are added up in a tile

// Factors per channel go to the values: they are fewer than weights.
Buffer times_channels(Env& env, const float* x, const float* factor, size_t block, size_t lanes, int blocks) {
  Buffer y = env.pool.acquire(block * blocks);
  for (size_t i = 0; i < block * blocks; ++i) y.get()[i] = x[i] * factor[i % block / lanes];
  return y;
}

// Each output is a row of stored weights, or a column.
class DirectRun {
 public:
  DirectRun(Env& env, const LinearMap& map, const LinearCall& call, const LinearCall::Tensor& tensor,
            int block)
      : env_(env),
        map_(map),
        call_(call),
        tensor_(tensor),
        single_(call.grid.lanes == 1),
        lanes_(call.grid.lanes),
        in_(map.in_elements * lanes_),
        out_(map.out_elements * lanes_),
        blocks_(single_ ? 1 : call.grid.blocks),
        x_(tensor.x + block * in_),
        y_(tensor.y + block * out_) {
    if (call.weight.in_factor) {
      scaled_ = times_channels(env, x_, call.weight.in_factor, in_, lanes_, blocks_);
      x_ = scaled_.get();
    }
  }

  // The largest output.
  float run() {
    by_rows() ? rows() : cols();
    return top_.get();
  }

 private:
  bool by_rows() const { return map_.w_in == 1; }

  DirectArgs args() const {
    DirectArgs a{};
    a.source = call_.weight.source;
    a.values = call_.weight.values;
    a.mask = call_.weight.mask;
    a.squared_scale = call_.weight.squared_scale;
    a.step = by_rows() ? map_.w_out : map_.w_in;
    a.x_block = in_;
    a.blocks = blocks_;
    return a;
  }

  void rows() {
    const size_t all = map_.out_channels, cols = map_.in_channels;
    for_ranges(env_.threads, all, std::max<size_t>(1, kTaskWeights / cols),
               [&](size_t lo, size_t hi, size_t) {
                 DirectArgs a = args();
                 a.first = lo * a.step;
                 a.rows = hi - lo;
                 a.cols = cols;
                 a.x = x_;
                 a.y = y_ + lo * lanes_;
                 a.y_block = out_;
                 env_.kernels.direct_rows[single_](&a);
                 finish(lo, hi);
               });
  }

  void cols() {
    const size_t all = map_.out_channels, rows = map_.in_channels, width = kTileFloats / (lanes_ * blocks_);
    for_ranges(env_.threads, all, width, [&](size_t lo, size_t hi, size_t) {
      const BorrowedScratch scratch(env_.scratch);
      const size_t floats = (hi - lo) * lanes_;
      float* const tile = room(scratch->output, floats * blocks_);
      for (int b = 0; b < blocks_; ++b) std::fill_n(y_ + b * out_ + lo * lanes_, floats, 0.0f);
      for (size_t r = 0; r < rows; r += kTileRows) {
        std::fill_n(tile, floats * blocks_, 0.0f);
        DirectArgs a = args();
        a.first = r * a.step + lo;
        a.rows = std::min(kTileRows, rows - r);
        a.cols = hi - lo;
        a.x = x_ + r * lanes_;
        a.y = tile;
        a.y_block = floats;
        env_.kernels.direct_cols[single_](&a);
        for (int b = 0; b < blocks_; ++b)
          env_.kernels.axpby(tile + b * floats, 1.0f, y_ + b * out_ + lo * lanes_, 1.0f, floats);
      }
      finish(lo, hi);
    });
  }

  // Scale and bias of outputs [lo, hi).
  void finish(size_t lo, size_t hi) {
    const float scale =
        call_.weight.source == Source::mask ? tensor_.scale : tensor_.scale * call_.weight.factor;
    float top = 0.0f;
    for (int b = 0; b < blocks_; ++b)
      for (size_t c = lo; c < hi; ++c) {
        float* const y = y_ + b * out_ + c * lanes_;
        const float bias = call_.bias ? call_.bias[c] : 0.0f;
        for (size_t l = 0; l < lanes_; ++l) {
          y[l] = scale * y[l] + bias;
          top = std::max(top, y[l]);
        }
      }
    top_.add(top);
  }

  Env& env_;
  const LinearMap& map_;
  const LinearCall& call_;
  const LinearCall::Tensor& tensor_;
  const bool single_;
  const size_t lanes_, in_, out_;  // floats of a block
  const int blocks_;
  const float* x_;
  float* const y_;
  Buffer scaled_;
  SharedMax top_;
};

}  // namespace

bool suits_direct(const LinearMap& map, Grid grid) {
  return map.groups == 1 && map.taps == 1 && map.positions == 1 &&
         map.in_elements == static_cast<size_t>(map.in_channels) && grid.blocks <= kMostBlocks &&
         ((map.w_in == 1 && map.w_out >= static_cast<size_t>(map.in_channels)) ||
          (map.w_out == 1 && map.w_in >= static_cast<size_t>(map.out_channels)));
}

void apply_direct(Env& env, const LinearMap& map, const LinearCall& call) {
  for (const auto& tensor : call.tensors) {
    float top = 0.0f;
    // Vectors along positions: sample after sample.
    const int runs = call.grid.lanes == 1 ? call.grid.blocks : 1;
    for (int block = 0; block < runs; ++block)
      top = std::max(top, DirectRun(env, map, call, tensor, block).run());
    if (tensor.max) *tensor.max = top;
  }
}

void add_direct_gradient(Env& env, const LinearMap& map, const GradientCall& call) {
  const bool single = call.grid.lanes == 1, by_rows = map.w_in == 1;
  const size_t lanes = call.grid.lanes, in = map.in_elements * lanes, out = map.out_elements * lanes;
  const int blocks = call.grid.blocks;
  Buffer scaled;
  const float* d = call.d;
  if (call.out_factor) {
    scaled = times_channels(env, d, call.out_factor, out, lanes, blocks);
    d = scaled.get();
  }
  const size_t rows = by_rows ? map.out_channels : map.in_channels,
               cols = by_rows ? map.in_channels : map.out_channels;
  for_ranges(env.threads, rows, std::max<size_t>(1, kTaskWeights / cols), [&](size_t lo, size_t hi, size_t) {
    DirectGradArgs a{};
    a.mask = call.weight.mask;
    a.step = by_rows ? map.w_out : map.w_in;
    a.first = lo * a.step;
    a.rows = hi - lo;
    a.cols = cols;
    a.u_block = by_rows ? out : in;
    a.v_block = by_rows ? in : out;
    a.blocks = single ? 1 : blocks;
    a.factor = call.factor;
    a.g = call.gradient;
    for (size_t r = 0; call.first && r < a.rows; ++r) std::fill_n(a.g + a.first + r * a.step, cols, 0.0f);
    for (int block = 0; block < (single ? blocks : 1); ++block) {
      a.u = (by_rows ? d : call.x) + block * a.u_block + lo * lanes;
      a.v = (by_rows ? call.x : d) + block * a.v_block;
      env.kernels.direct_grad[single](&a);
    }
  });
}

}  // namespace px
