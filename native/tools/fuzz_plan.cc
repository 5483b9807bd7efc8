// Fuzz target: whatever read_plan() and check_plan() let through must run without reading or writing out of bounds.
//
//   input: one byte of options (bit 0 px-joint, bit 1 batch statistics, bits 2..: samples - 1), then a Plan as wire.cc reads it
//
// With clang: -fsanitize=fuzzer and libFuzzer's own options. Elsewhere fuzz_main.cc replays a corpus and mutates it without guidance.
#include "fuzz_plan.h"

#include <string.h>

#include <random>

#include "../engine/error.h"
#include "../engine/program.h"

namespace {

// Larger plans are right or wrong in the same ways, only slower.
constexpr size_t kMaxElements = size_t{1} << 13;  // of all values together, and of all parameters
constexpr size_t kMaxWork = size_t{1} << 18;      // multiply-accumulates of a step, a sample
constexpr size_t kMaxSteps = 48;

bool small_step(const px::Plan& plan, const px::PlanStep& s) {
  const size_t x = plan.values[s.inputs[0]].size, y = plan.values[s.output].size;
  size_t taps = 1, tables = 0, between = x;
  for (const auto& a : s.spatial) {
    taps *= a.taps;
    tables += size_t{std::max(a.in_size, a.out_size)} * a.taps;
    if (taps > kMaxWork || tables > kMaxWork) return false;
  }
  for (const auto& a : s.axes) {
    if (between / a.in_size * a.index.size() > kMaxWork) return false;
    between = between / a.in_size * a.out_size;
    if (between > kMaxElements) return false;
  }
  return s.spatial.size() <= 8 && y * s.in_channels * taps <= kMaxWork;
}

bool small(const px::Plan& plan) {
  size_t elements = 0, weights = 0;
  for (const auto& v : plan.values) elements += v.size;
  for (const auto& p : plan.params) {
    weights += p.size;
    if (weights > kMaxElements) return false;
  }
  if (elements > kMaxElements || plan.steps.size() > kMaxSteps || plan.outputs.size() > kMaxSteps)
    return false;
  for (const auto& s : plan.steps)
    if (!small_step(plan, s)) return false;
  return true;
}

// The same values for the same place in every run; some zeros, both signs.
std::vector<float> values(size_t n, uint32_t seed) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    v[i] = static_cast<float>(static_cast<int32_t>(seed >> 8) % 1000) / 500.0f - 1.0f;
  }
  return v;
}

void run(px::Plan plan, uint8_t options) {
  px::ProgramOptions o;
  o.joint = options & 1;
  o.batch_statistics = options & 2;
  std::vector<std::vector<float>> weights, scores, u;
  std::vector<const float*> borrowed;
  px::RoundOutput out;
  for (const auto& p : plan.params) {
    weights.push_back(values(p.size, static_cast<uint32_t>(weights.size())));
    scores.emplace_back(p.size);
  }
  for (const auto& w : weights) borrowed.push_back(w.data());
  for (auto& s : scores) out.scores.push_back(s.data());
  for (uint32_t k : plan.outputs) u.emplace_back(plan.values[k].size);
  for (auto& v : u) out.u.push_back(v.data());
  const size_t elements = plan.values[plan.input].size;
  const std::vector<uint32_t> outputs = plan.outputs;
  std::vector<size_t> sizes;
  for (uint32_t k : outputs) sizes.push_back(plan.values[k].size);

  px::Program program(std::move(plan), borrowed, o);
  for (size_t i = 0; i < weights.size(); ++i) {
    std::vector<uint8_t> mask((weights[i].size() + 7) / 8, 0xb7);
    program.set_mask(static_cast<uint32_t>(i), mask.data(), mask.size());
  }
  program.begin(&out);
  for (const int samples : {1 + (options >> 2) % 20, 1}) {
    const std::vector<float> x = values(elements * samples, 7);
    std::vector<std::vector<float>> y;
    std::vector<float*> places;
    for (size_t n : sizes) y.emplace_back(n * samples);
    for (auto& v : y) places.push_back(v.data());
    program.push(x.data(), samples, &places);
  }
  program.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    px::Plan plan = px::read_plan(data + 1, size - 1);
    if (small(plan)) run(std::move(plan), data[0]);
  } catch (const px::Error&) {
    // Refused, or not finite: as it should be.
  }
  return 0;
}

// A Plan is a list of 32-bit words, most of them small numbers that must agree with one another: one word is changed, moved by a
// little, made extreme, or made equal to another.
size_t px_mutate_plan(uint8_t* data, size_t size, uint32_t seed) {
  std::minstd_rand random(seed);
  if (size < 9) return size;
  const size_t words = (size - 1) / 4;
  const int edits = 1 + static_cast<int>(random() % 3);
  for (int i = 0; i < edits; ++i) {
    uint8_t* at = data + 1 + random() % words * 4;
    uint32_t word;
    memcpy(&word, at, 4);
    switch (random() % 6) {
      case 0:
        word += random() % 2 ? 1u : ~0u;
        break;
      case 1:
        word = static_cast<uint32_t>(random() % 12);
        break;
      case 2:
        memcpy(&word, data + 1 + random() % words * 4, 4);
        break;
      case 3:
        word = 1u << random() % 32;
        break;
      case 4:
        word = ~0u - static_cast<uint32_t>(random() % 3);
        break;
      default:
        data[0] = static_cast<uint8_t>(random());
    }
    memcpy(at, &word, 4);
  }
  return size;
}

#ifdef PX_LIBFUZZER
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  return seed % 4 == 0 ? LLVMFuzzerMutate(data, size, max_size) : px_mutate_plan(data, size, seed);
}
#endif
