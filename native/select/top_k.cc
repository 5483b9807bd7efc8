#include "top_k.h"

#include <algorithm>
#include <limits>

namespace px::select {
namespace {

// Weights a task takes at a time, of one tensor: long enough to be worth it, short enough to stop at soon.
constexpr size_t kPiece = size_t{1} << 17;
// A thread more takes as long to start, and to be given counters, as it takes to look at so many weights; more than a piece.
constexpr size_t kThreadWeights = size_t{1} << 20;
constexpr uint32_t kInfinity = 0x7f80;      // upper 16 bits, of NaN too: these or more
constexpr uint32_t kNegativeZero = 0x8000;  // and of the smallest negative numbers

struct Piece {
  const Tensor* tensor;
  size_t from, to;
};

std::vector<Piece> cut(const std::vector<Tensor>& tensors) {
  std::vector<Piece> pieces;
  for (const Tensor& t : tensors)
    for (size_t from = 0; from < t.size; from += kPiece)
      pieces.push_back({&t, from, std::min(from + kPiece, t.size)});
  return pieces;
}

// The bucket that holds the k-th largest score, from the largest down, and how many scores lie in those above it.
struct Bucket {
  uint32_t index;
  uint64_t above;
};

Bucket descend(const std::vector<uint64_t>& counts, uint64_t k) {
  uint64_t above = 0;
  for (uint32_t index = kBuckets - 1; index > 0; --index) {
    if (above + counts[index] >= k) return {index, above};
    above += counts[index];
  }
  return {0, above};
}

class Selector {
 public:
  // Borrows both.
  Selector(const std::vector<Tensor>& tensors, Threads& threads)
      : pieces_(cut(tensors)),
        threads_(threads),
        lanes_(std::min(pieces_.size(), static_cast<size_t>(threads.count()))),
        counters_(lanes_ * kCounters),
        sums_(kBuckets) {}

  bool keep(uint64_t k) {
    count([](const Piece& p, uint32_t* counts) { count_high(*p.tensor, p.from, p.to, counts); });
    if (!scores_are_good()) return false;
    uint64_t alive = 0;
    for (uint64_t n : sums_) alive += n;
    if (k > alive) return false;
    if (k == 0) return true;

    const Bucket high = descend(sums_, k);
    count([&](const Piece& p, uint32_t* counts) { count_low(*p.tensor, p.from, p.to, high.index, counts); });
    const Bucket low = descend(sums_, k - high.above);
    return keep_at_least(high.index << 16 | low.index, k, k - high.above - low.above);
  }

 private:
  // Runs f(piece number, lane) for every piece; a lane runs one at a time.
  template <class F>
  void for_pieces(F f) {
    std::atomic<size_t> next{0};
    threads_.run(lanes_, [&](size_t lane) {
      for (size_t p; (p = next.fetch_add(1, std::memory_order_relaxed)) < pieces_.size();) {
        threads_.check_abort();
        f(p, lane);
      }
    });
  }

  // Sums what `pass` counts over all pieces.
  template <class Pass>
  void count(Pass pass) {
    std::fill(counters_.begin(), counters_.end(), 0);
    for_pieces([&](size_t p, size_t lane) { pass(pieces_[p], counters_.data() + lane * kCounters); });
    std::fill(sums_.begin(), sums_.end(), 0);
    for (size_t turn = 0; turn < counters_.size(); turn += kTurn)
      for (size_t i = 0; i < kBuckets; ++i) sums_[i] += counters_[turn + i];
  }

  // After the first pass: no NaN, nothing infinite, nothing negative but -0, which goes to the zeros.
  bool scores_are_good() {
    for (uint32_t i = kInfinity; i < kBuckets; ++i)
      if (i != kNegativeZero && sums_[i] != 0) return false;
    if (sums_[kNegativeZero] == 0) return true;
    std::atomic<uint64_t> zeros{0};
    for_pieces([&](size_t p, size_t) {
      const Piece& piece = pieces_[p];
      zeros += count_negative_zeros(*piece.tensor, piece.from, piece.to);
    });
    if (zeros != sums_[kNegativeZero]) return false;
    sums_[0] += sums_[kNegativeZero];
    sums_[kNegativeZero] = 0;
    return true;
  }

  bool keep_at_least(uint32_t limit, uint64_t k, uint64_t ties) {
    std::vector<Kept> kept(pieces_.size());
    for_pieces([&](size_t p, size_t) {
      const Piece& piece = pieces_[p];
      kept[p] = select::keep_at_least(*piece.tensor, piece.from, piece.to, limit);
    });
    // Ties go to the pieces in their order; from the one in which they run out on, the rest is taken back.
    std::vector<uint64_t> quota(pieces_.size());
    uint64_t total = 0;
    bool all_fit = true;
    for (size_t p = 0; p < pieces_.size(); ++p) {
      quota[p] = std::min<uint64_t>(ties, kept[p].ties);
      ties -= quota[p];
      all_fit = all_fit && quota[p] == kept[p].ties;
      total += kept[p].weights - kept[p].ties + quota[p];
    }
    if (total != k) return false;
    if (all_fit) return true;
    for_pieces([&](size_t p, size_t) {
      const Piece& piece = pieces_[p];
      if (quota[p] < kept[p].ties) drop_ties(*piece.tensor, piece.from, piece.to, limit, quota[p]);
    });
    return true;
  }

  std::vector<Piece> pieces_;
  Threads& threads_;
  size_t lanes_;
  std::vector<uint32_t> counters_;  // [lane][kCounters]
  std::vector<uint64_t> sums_;      // [bucket]
};

}  // namespace

bool top_k(const std::vector<Tensor>& tensors, uint64_t k, uint64_t floor, Threads& threads) {
  uint64_t size = 0;
  for (const Tensor& t : tensors) size += t.size;
  if (size > std::numeric_limits<uint32_t>::max()) return false;
  if (floor == 0) return Selector(tensors, threads).keep(k);
  std::vector<uint64_t> forced;
  uint64_t sum = 0;
  for (const Tensor& t : tensors) {
    forced.push_back(std::min<uint64_t>(floor, count_alive(t)));
    sum += forced.back();
  }
  if (sum > k) return false;
  std::vector<std::vector<uint8_t>> rest;
  std::vector<Tensor> remaining;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    const std::vector<Tensor> alone{t};
    if (!Selector(alone, threads).keep(forced[i])) return false;
    std::vector<uint8_t>& left = rest.emplace_back((t.size + 7) / 8);
    for (size_t j = 0; j < left.size(); ++j) left[j] = t.alive[j] & static_cast<uint8_t>(~t.kept[j]);
    remaining.push_back({t.scores, left.data(), t.size, t.kept});
  }
  return Selector(remaining, threads).keep(k - sum);
}

int useful_threads(const std::vector<Tensor>& tensors, int wanted) {
  size_t weights = 0;
  for (const Tensor& t : tensors) weights += t.size;
  return static_cast<int>(std::clamp<size_t>(weights / kThreadWeights, 1, std::max(1, wanted)));
}

}  // namespace px::select
