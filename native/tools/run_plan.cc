// Runs one scoring round from a file, without Node: for sanitizers, profilers and emulators.
//
//   run_plan FILE [--threads N] [--repeat N] [--isa base]
//
// The file (src/backend/native/plan-file.ts writes it) is little-endian words: magic "PXRN", method (0 px, 1 px-joint), statistics
// (0 running, 1 batch), plan bytes; then, each preceded by its length in words, per parameter its weights and its mask bytes; then the
// micro-batches: sample count and values, until the end. Prints log2 R and the sum of every parameter's scores.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <chrono>

#include "../engine/error.h"
#include "../engine/program.h"

namespace {

class File {
 public:
  explicit File(const char* path) {
    FILE* f = fopen(path, "rb");
    if (!f) throw px::Error("ERR_IO", std::string("cannot open ") + path);
    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) bytes_.insert(bytes_.end(), chunk, chunk + n);
    fclose(f);
  }
  bool done() const { return at_ >= bytes_.size(); }
  uint32_t u32() {
    uint32_t v;
    memcpy(&v, take(4), 4);
    return v;
  }
  // A block of `words` 32-bit words.
  const char* take(size_t bytes) {
    if (bytes > bytes_.size() - at_) throw px::Error("ERR_FILE", "the file ends early");
    at_ += bytes;
    return bytes_.data() + at_ - bytes;
  }
  std::vector<float> floats(size_t n) {
    std::vector<float> v(n);
    if (n) memcpy(v.data(), take(n * 4), n * 4);
    return v;
  }

 private:
  std::vector<char> bytes_;
  size_t at_ = 0;
};

int run(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: run_plan FILE [--threads N] [--repeat N] [--isa base]\n");
    return 2;
  }
  px::ProgramOptions options;
  int repeat = 1;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--threads")) options.threads = atoi(argv[i + 1]);
    if (!strcmp(argv[i], "--repeat")) repeat = atoi(argv[i + 1]);
    if (!strcmp(argv[i], "--isa")) options.isa_limit = argv[i + 1];
  }
  File file(argv[1]);
  if (file.u32() != 0x4e525850) throw px::Error("ERR_FILE", "not a plan file");
  options.joint = file.u32() == 1;
  options.batch_statistics = file.u32() == 1;
  const uint32_t plan_bytes = file.u32();
  px::Plan plan = px::read_plan(reinterpret_cast<const uint8_t*>(file.take(plan_bytes)), plan_bytes);

  std::vector<std::vector<float>> weights, scores, u;
  std::vector<std::vector<uint8_t>> masks;
  std::vector<const float*> borrowed;
  px::RoundOutput out;
  for (const auto& p : plan.params) {
    weights.push_back(file.floats(p.size));
    const uint32_t mask_bytes = file.u32();
    const char* bits = file.take((mask_bytes + 3) / 4 * 4);
    masks.emplace_back(bits, bits + mask_bytes);
    scores.emplace_back(p.size);
  }
  for (uint32_t o : plan.outputs) u.emplace_back(plan.values[o].size);
  for (auto& w : weights) borrowed.push_back(w.data());
  for (auto& s : scores) out.scores.push_back(s.data());
  for (auto& v : u) out.u.push_back(v.data());
  std::vector<std::pair<int, std::vector<float>>> batches;
  const size_t elements = plan.values[plan.input].size;
  while (!file.done()) {
    const uint32_t samples = file.u32();
    batches.emplace_back(static_cast<int>(samples), file.floats(samples * elements));
  }

  px::Program program(std::move(plan), borrowed, options);
  for (size_t i = 0; i < masks.size(); ++i)
    program.set_mask(static_cast<uint32_t>(i), masks[i].data(), masks[i].size());
  px::Log2Scalars log2;
  for (int r = 0; r < repeat; ++r) {
    const auto start = std::chrono::steady_clock::now();
    program.begin(&out);
    for (auto& b : batches) program.push(b.second.data(), b.first, nullptr);
    log2 = program.finish();
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fprintf(stderr, "round %d: %.3f s, peak %zu MiB, %s\n", r + 1, s, program.peak_bytes() >> 20,
            program.isa());
  }
  printf("log2_R %.9g\n", log2.R);
  for (const auto& s : scores) {
    double sum = 0.0;
    for (float v : s) sum += v;
    printf("%.9g\n", sum);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    fprintf(stderr, "run_plan: %s\n", e.what());
    return 1;
  }
}
