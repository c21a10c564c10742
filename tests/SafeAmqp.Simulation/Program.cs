using System.Globalization;
using SafeAmqp.Simulation.Exploring;
using SafeAmqp.Simulation.Mutations;
using SafeAmqp.Simulation.Runs;
using Xunit.Runner.InProc.SystemConsole;

// By hand: "explore PUBLISHES [FIRST-SEED]" "replay SEED [--without FAULT,… --publishers N …]", "mutants [NAME]".
// Everything else is for the test runner.
switch (args)
{
    case ["explore", var publishes, .. var rest]:
        return Explore(
            long.Parse(publishes, CultureInfo.InvariantCulture),
            rest is [var first] ? int.Parse(first, CultureInfo.InvariantCulture) : 1);
    case ["replay", .. var plan]:
        return Replay(Plan.Parse(plan));
    case ["mutants", .. var rest]:
        return await TryMutantsAsync(rest is [var name] ? name : "");
    default:
        return await ConsoleRunner.Run(args);
}

static int Explore(long publishes, int first)
{
    Exploration exploration = Explorer.Explore(first, publishes, Environment.ProcessorCount, failures: 100);
    Console.WriteLine(Report.Of(exploration));
    foreach (var alike in exploration.Failing.GroupBy(failing => Report.Kind(failing.Verdict)))
        Console.WriteLine(
            $"{alike.Count()} seeds, the first: {Shrinker.Report(alike.First().Plan, alike.First().Verdict)}\n");
    return exploration.Failing.Count == 0 ? 0 : 1;
}

static async Task<int> TryMutantsAsync(string name)
{
    IReadOnlyList<Trial> trials = await MutantRunner.TryAsync(
        Mutants.All.Where(mutant => mutant.Name.Contains(name, StringComparison.Ordinal)), Console.WriteLine);
    Console.WriteLine($"{trials.Count(trial => trial.IsCaught)} of {trials.Count} caught");
    return trials.All(trial => trial.IsCaught) ? 0 : 1;
}

static int Replay(Plan plan)
{
    Verdict verdict = Explorer.Run(plan);
    Console.WriteLine(verdict.Trace);
    Console.WriteLine(
        $"{verdict.Violation ?? "Every promise held."} {verdict.Trace.Count} steps, hash {verdict.Trace.Hash:x16}.");
    return verdict.Violation is null ? 0 : 1;
}
