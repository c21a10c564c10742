namespace SafeAmqp.Model;

/// <summary>
/// The protocols by which operations end, as models in which spin looks at every interleaving. Without spin they are
/// skipped locally and fail where <c>CI=true</c>. Larger bounds by hand: see <c>tests/README.md</c>.
/// </summary>
public sealed class ModelTests(ITestOutputHelper output)
{
    private const string Completion = "Completion.pml", Mailbox = "Mailbox.pml";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Completion, "-DJOBS=1", 100_000)]
    [InlineData(Completion, "-DJOBS=2 -DWITHOUT_CANCELLATION -DWITHOUT_DISPOSAL", 100_000)]
    [InlineData(Mailbox, "", 100_000)]
    [InlineData(Mailbox, "-DTIMEOUTS", 100_000)]
    public async Task Whatever_the_interleaving_each_operation_ends_once_and_truly_and_nothing_waits_for_ever(
        string model, string bounds, long atLeast)
    {
        SkipWithoutSpin();
        Search search = await Spin.CheckSafetyAsync(model, bounds, Cancelled);
        output.WriteLine(search.Output);
        Assert.Equal(0, search.Errors);
        Assert.True(search.States >= atLeast, $"only {search.States} states: something is never tried");
    }

    [Fact]
    public async Task Under_any_fair_schedule_what_was_asked_for_ends()
    {
        SkipWithoutSpin();
        Search search = await Spin.CheckLivenessAsync(Completion, "-DJOBS=1 -DWITHOUT_CANCELLATION", Cancelled);
        output.WriteLine(search.Output);
        Assert.Equal(0, search.Errors);
    }

    [Theory]
    [InlineData(Completion, "-DJOBS=1 -DMUTANT_NO_SECOND_LOOK")]
    [InlineData(Completion, "-DJOBS=1 -DMUTANT_CANCELS_WHAT_WAS_SENT")]
    [InlineData(Completion, "-DJOBS=1 -DMUTANT_LOSS_FORGETS")]
    [InlineData(Completion, "-DJOBS=2 -DWITHOUT_CANCELLATION -DWITHOUT_DISPOSAL -DMUTANT_STALE_SIGNALS")]
    [InlineData(Mailbox, "-DMUTANT_NO_SECOND_LOOK")]
    [InlineData(Mailbox, "-DMUTANT_RELEASES_ALWAYS")]
    [InlineData(Mailbox, "-DTIMEOUTS -DMUTANT_LEAVES_THE_PERMIT")]
    public async Task A_model_with_a_line_left_out_is_found_out(string model, string mutant)
    {
        SkipWithoutSpin();
        Search search = await Spin.CheckSafetyAsync(model, mutant, Cancelled);
        Assert.True(search.Errors > 0, $"{model} {mutant} is not found out");
    }

    private static void SkipWithoutSpin()
    {
        if (Spin.IsInstalled)
            return;
        const string How = "spin or gcc is not installed (apt-get install spin gcc libc6-dev)";
        Assert.False(
            string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase), How);
        Assert.Skip(How);
    }
}
