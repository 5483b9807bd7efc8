// Drives the fuzz target where libFuzzer is missing: replays files, then mutates them without guidance.
//
//   fuzz_plan FOLDER [--inputs N] [--seed N]
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "fuzz_plan.h"

namespace {

using Bytes = std::vector<uint8_t>;

std::vector<Bytes> read_folder(const char* folder) {
  std::vector<std::string> names;
  DIR* dir = opendir(folder);
  if (!dir) return {};
  while (const dirent* entry = readdir(dir))
    if (entry->d_name[0] != '.') names.push_back(std::string(folder) + "/" + entry->d_name);
  closedir(dir);
  std::sort(names.begin(), names.end());
  std::vector<Bytes> files;
  for (const auto& name : names) {
    FILE* f = fopen(name.c_str(), "rb");
    if (!f) continue;
    Bytes bytes;
    uint8_t chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) bytes.insert(bytes.end(), chunk, chunk + n);
    fclose(f);
    files.push_back(std::move(bytes));
  }
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  long inputs = 0;
  uint32_t seed = 1;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--inputs")) inputs = atol(argv[i + 1]);
    if (!strcmp(argv[i], "--seed")) seed = static_cast<uint32_t>(atol(argv[i + 1]));
  }
  const std::vector<Bytes> files = argc > 1 ? read_folder(argv[1]) : std::vector<Bytes>();
  if (files.empty()) {
    fprintf(stderr, "usage: fuzz_plan FOLDER [--inputs N] [--seed N]; the folder must hold inputs\n");
    return 2;
  }
  for (const auto& f : files) LLVMFuzzerTestOneInput(f.data(), f.size());
  std::minstd_rand random(seed);
  for (long i = 0; i < inputs; ++i) {
    Bytes bytes = files[random() % files.size()];
    for (int rounds = 1 + static_cast<int>(random() % 4); rounds > 0; --rounds)
      px_mutate_plan(bytes.data(), bytes.size(), static_cast<uint32_t>(random()));
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  printf("%zu files replayed, %ld mutated inputs run, seed %u\n", files.size(), inputs, seed);
  return 0;
}
