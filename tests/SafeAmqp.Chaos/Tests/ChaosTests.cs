using System.Globalization;
using LocalBroker;
using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Running;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SafeAmqp.Chaos.Tests;

public sealed class ChaosTests
{
    /// <summary>Another length, for a desk: in minutes.</summary>
    private const string Minutes = "SAFEAMQP_CHAOS_MINUTES", Seed = "SAFEAMQP_CHAOS_SEED";

    /// <summary>Where the history and the brokers' logs go, to look into a failure.</summary>
    private const string Artifacts = "SAFEAMQP_TEST_ARTIFACTS";

    [Fact]
    public async Task Minutes_of_faults_on_a_cluster_of_three_lose_nothing_confirmed_and_leave_nothing_stuck()
    {
        Cluster.Require();
        string folder = Environment.GetEnvironmentVariable(Artifacts) is { Length: > 0 } artifacts
            ? artifacts
            : AppContext.BaseDirectory;
        ChaosOptions options = new() { Folder = Path.Combine(folder, "chaos") };
        if (Environment.GetEnvironmentVariable(Minutes) is { Length: > 0 } minutes)
            options =
                options with { Duration = TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)) };
        if (Environment.GetEnvironmentVariable(Seed) is { Length: > 0 } seed)
            options = options with { Seed = int.Parse(seed, CultureInfo.InvariantCulture) };
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {options.Seed}");
        RunResult result = await new ChaosRun(options, RunExpectations.For(options))
            .RunAsync(TestContext.Current.CancellationToken);
        string line = result.Write();
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        Assert.True(result.Violations.Count == 0, $"seed {options.Seed}: {result.Violations.Count} violations, "
            + $"the first: {string.Join("; ", result.Violations.Take(5))}. {line}");
    }
}

/// <summary>Without an installed RabbitMQ these tests are skipped locally and fail on CI.</summary>
internal static class Cluster
{
    internal static void Require()
    {
        if (PrivateRabbitMqNode.IsInstalled)
            return;
        const string Missing = "These tests start a cluster of their own: install rabbitmq-server.";
        if (Environment.GetEnvironmentVariable("CI") is "true" or "1")
            Assert.Fail(Missing);
        Assert.Skip(Missing);
    }
}
