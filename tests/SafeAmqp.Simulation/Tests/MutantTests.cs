using SafeAmqp.Simulation.Mutations;

namespace SafeAmqp.Simulation.Tests;

/// <summary>Bugs planted in the library, each found by the simulation. One that lives shows a rule that is missing.</summary>
public sealed class MutantTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Every_planted_bug_is_caught()
    {
        IReadOnlyList<Trial> trials = await MutantRunner.TryAsync(Mutants.All, output.WriteLine);
        Assert.True(trials.Count >= 30);
        Assert.All(trials, trial => Assert.True(trial.IsCaught, trial.ToString()));
    }

    [Fact]
    public void Each_has_a_name_of_its_own() => Assert.Equal(Mutants.All.Count, Mutants.All.Select(mutant => mutant.Name).Distinct().Count());
}
