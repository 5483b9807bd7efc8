// The fuzz target of Plans, for libFuzzer and for fuzz_main.cc.
#pragma once
#include <stddef.h>
#include <stdint.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Changes a few words in place; the same for the same seed. Returns the size, which stays.
size_t px_mutate_plan(uint8_t* data, size_t size, uint32_t seed);
