#include "apply.h"

#include "direct.h"
#include "phase_run.h"

namespace px {
namespace {

// Outputs that no weight reaches.
void fill(Env& env, const LinearMap& map, const Phase& phase, const LinearCall& call) {
  const size_t channels = static_cast<size_t>(map.groups) * map.out_channels, lanes = call.grid.lanes;
  const size_t blocks = call.grid.blocks;
  env.threads.run(channels * blocks * call.tensors.size(), [&](size_t t) {
    const size_t c = t % channels, block = t / channels;
    float* y = call.tensors[block / blocks].y +
               (block % blocks * map.out_elements + c * map.out_channel_stride) * lanes;
    const float value = call.bias ? call.bias[c] : 0.0f;
    for (size_t o = 0; o < phase.outer_out.size(); ++o)
      for (int r = 0; r < phase.row->count; ++r)
        for (int w = 0; w < phase.col->count; ++w)
          std::fill_n(y + phase.out_offset(o, r, w) * lanes, lanes, value);
  });
}

// One phase makes all outputs.
bool all_in_one(const std::vector<Phase>& phases) { return phases.size() == 1 && phases[0].taps() > 0; }

void clear_all(Env& env, const LinearMap& map, Grid grid, float* y) {
  const size_t channel = map.out_halo->channel * grid.lanes;
  env.threads.run(map.out_elements / map.out_halo->channel * grid.blocks,
                  [&](size_t c) { clear_gaps(*map.out_halo, grid.lanes, y + c * channel, 0, channel); });
}

}  // namespace

bool takes_epilogue(const LinearMap& map, Grid grid) {
  if (grid.lanes == 1 || suits_direct(map, grid)) return false;
  return all_in_one(phases_of(map));
}

bool stores_once(Env& env, const LinearMap& map, const LinearCall& call) {
  const auto phases = phases_of(map);
  std::vector<SharedMax> tops;
  return all_in_one(phases) && PhaseRun(env, map, phases[0], call, tops, false).chunks() == 1;
}

bool takes_blocks(const LinearMap& map, Grid grid) {
  return takes_epilogue(map, grid) && reads_in_place(map, phases_of(map)[0], grid);
}

bool gives_blocks(const Env& env, const LinearMap& map, Grid grid) {
  if (!takes_epilogue(map, grid)) return false;
  const Phase phase = phases_of(map)[0];
  return slots_of(phase, grid, env.kernels.lanes, reads_in_place(map, phase, grid)) == 1;
}

std::shared_ptr<const Blocks> linear_blocks(Env& env, const LinearMap& map, const LinearCall& given) {
  struct Held {
    LinearCall call;
    std::vector<Phase> phases;
    std::vector<SharedMax> tops;
    std::unique_ptr<PhaseRun> run;
  };
  const auto held = std::make_shared<Held>();
  held->call = given;
  held->phases = phases_of(map);
  if (given.weight.source == Source::mask) held->call.tensors[0].scale *= given.weight.factor;
  held->run = std::make_unique<PhaseRun>(env, map, held->phases[0], held->call, held->tops, true);
  held->run->prepare();
  Blocks all{given.grid.blocks, map.out_elements * given.grid.lanes, nullptr, nullptr};
  all.make = [held](int b, float* y) { held->run->run_block(b, y); };
  if (!given.tensors[0].blocks) all.whole = [held](float* y) { held->run->run_bands(y); };
  return std::make_shared<const Blocks>(std::move(all));
}

void apply_linear(Env& env, const LinearMap& map, const LinearCall& given) {
  LinearCall call = given;
  const auto phases = phases_of(map);
  if (call.weight.source == Source::mask)
    for (auto& t : call.tensors) t.scale *= call.weight.factor;
  if (!call.box && suits_direct(map, call.grid)) {
    call.moments = nullptr;
    return apply_direct(env, map, call);
  }
  std::vector<SharedMax> tops(call.tensors[0].max ? call.tensors.size() : 0);
  const bool alone = all_in_one(phases);
  const bool plain = alone && phases[0].col_axis->out_stride == 1 && call.grid.lanes > 1 && !call.box;
  if (!plain) call.moments = nullptr;
  for (const Phase& phase : phases) {
    if (phase.taps() == 0)
      fill(env, map, phase, call);
    else
      PhaseRun(env, map, phase, call, tops, alone && !call.clean).run();
  }
  if (map.out_halo && !alone)
    for (auto& t : call.tensors) clear_all(env, map, call.grid, t.y);
  for (size_t t = 0; t < tops.size(); ++t) *call.tensors[t].max = tops[t].get();
}

}  // namespace px
