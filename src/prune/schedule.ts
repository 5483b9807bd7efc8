/**
 * How many weights each round keeps.
 *
 *   keep(r) = ceil(n · density^(r/T) · (1 − 2⁻⁴⁰)),  r = 1 .. T
 *
 * The factor just below 1 absorbs the rounding of the power: where n · density^(r/T) is an integer, it is that integer that
 * is kept and not one more, on every machine.
 */
const JUST_BELOW_ONE = 1 - 2 ** -40;

/**
 * Weights kept after round `round` of `rounds`.
 *
 * @param n countable weights (prunable, neither gate-only nor excluded)
 * @param density share of `n` kept after the last round, in (0, 1]
 * @param start weights that are alive before round 1; below `n` when the run goes on from given masks: the geometric
 *   schedule then runs from start/n to `density`
 */
export function keepCount(n: number, density: number, round: number, rounds: number, start = n): number {
  const startDensity = n === 0 ? 1 : start / n;
  const share =
    startDensity === 1
      ? density ** (round / rounds)
      : startDensity * (density / startDensity) ** (round / rounds);
  const scheduled = Math.ceil(n * share * JUST_BELOW_ONE);
  return round === rounds ? Math.ceil(n * density * JUST_BELOW_ONE) : Math.min(scheduled, start);
}

/** `keepCount` for rounds 1 .. `rounds`. */
export function keepSchedule(n: number, density: number, rounds: number, start = n): number[] {
  return Array.from({ length: rounds }, (_, i) => keepCount(n, density, i + 1, rounds, start));
}
