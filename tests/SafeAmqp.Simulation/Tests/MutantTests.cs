using System.Globalization;
using SafeAmqp.Simulation.Mutations;
using SafeAmqp.TestOrder;

namespace SafeAmqp.Simulation.Tests;

/// <summary>
/// Bugs planted in the library, each found by the simulation. One that lives shows a rule that is missing.
/// </summary>
public sealed class MutantTests(ITestOutputHelper output)
{
    /// <summary>Names how many runs share the bugs: of three, each takes a third, as its seed says.</summary>
    private const string Shares = "SAFEAMQP_MUTANT_SHARES";

    [Fact]
    public async Task Every_planted_bug_is_caught()
    {
        int shares = Environment.GetEnvironmentVariable(Shares) is { Length: > 0 } number
            ? int.Parse(number, CultureInfo.InvariantCulture)
            : 1;
        int share = SeededOrder.Seed % shares;
        Mutant[] mutants = [.. Mutants.All.Where((_, index) => index % shares == share)];
        IReadOnlyList<Trial> trials = await MutantRunner.TryAsync(mutants, output.WriteLine);
        Assert.True(trials.Count >= 60 / shares);
        Assert.All(trials, trial => Assert.True(trial.IsCaught, trial.ToString()));
    }

    [Fact]
    public void Each_has_a_name_of_its_own()
        => Assert.Equal(Mutants.All.Count, Mutants.All.Select(mutant => mutant.Name).Distinct().Count());
}
