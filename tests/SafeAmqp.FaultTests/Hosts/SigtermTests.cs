using System.Diagnostics;
using System.Globalization;

namespace SafeAmqp.FaultTests.Hosts;

/// <summary>A service of its own process, under load, is told to end. SAFEAMQP_SIGTERMS says how often.</summary>
public sealed class SigtermTests : FaultCase
{
    private const string Program = "SafeAmqp.FaultHost.dll";

    [Fact]
    public async Task Told_to_end_under_load_a_service_ends_in_time_and_loses_nothing()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no SIGTERM here.");
        int times = Number("SAFEAMQP_SIGTERMS", 5), confirmedInAll = 0, midway = 0;
        for (int seed = 0; seed < times; seed++)
        {
            await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(new AmqpTestBrokerOptions { HistoryCapacity = 0 }, Cancelled);
            await FillAsync(broker, 3_000);
            await using var service = new Service(broker.Uri.ToString());
            int after = new Random(seed).Next(20, 1_500);
            await service.SaidAsync(after);
            TimeSpan took = await service.TerminateAsync();

            Assert.Equal(0, service.ExitCode);
            Assert.Contains("bye", service.Lines);
            Assert.True(took < TimeSpan.FromSeconds(12), $"It took {took}.");
            string[] confirmed = [.. service.Said('c')];
            Assert.True(confirmed.Length >= after, "It was not under load.");
            // The broker was well, so nothing may be left without a verdict, and nothing confirmed be missing.
            Assert.Empty(service.Said('u'));
            HashSet<string> mine = await broker.LookAsync(view => view.Messages("mine").Select(message => message.Text).ToHashSet());
            Assert.All(confirmed, number => Assert.Contains(number, mine));
            // What it moved: each message is in one of the two queues. A handler that ended was acknowledged, so nothing is in both.
            (string[] moved, string[] left) = await broker.LookAsync(view => (view.Messages("out").Select(message => message.Text).ToArray(), view.Messages("in").Select(message => message.Text).ToArray()));
            Assert.Equal(Enumerable.Range(0, 3_000), moved.Concat(left).Select(text => int.Parse(text, CultureInfo.InvariantCulture)).Order());
            confirmedInAll += confirmed.Length;
            midway += left.Length > 0 ? 1 : 0;
        }
        Figure($"{times} times: {confirmedInAll} confirmed, none lost, {midway} in the middle of the queue");
        Assert.True(midway > 0, "Every queue was done before the signal came.");
    }

    [Theory]
    [InlineData("frozen")]
    [InlineData("blocked")]
    [InlineData("gone")]
    public async Task Told_to_end_while_the_broker_does_not_answer_a_service_ends_in_time_and_says_what_it_does_not_know(string state)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no SIGTERM here.");
        AmqpTestBroker broker = await BrokerAsync();
        await FillAsync(broker, 500);
        await using var service = new Service(broker.Uri.ToString());
        await service.SaidAsync(200);
        switch (state)
        {
            case "frozen": await broker.InjectAsync(FaultAction.Freeze()); break;
            case "blocked": broker.Block(); break;
            default: await broker.KillAsync(Cancelled); break;
        }
        TimeSpan took = await service.TerminateAsync();
        Assert.Equal(0, service.ExitCode);
        Assert.True(took < TimeSpan.FromSeconds(12), $"It took {took}.");
        Assert.NotEmpty(service.Said('u').Concat(service.Said('n'))); // it was hit
        if (state == "blocked")
        {
            HashSet<string> mine = await broker.LookAsync(view => view.Messages("mine").Select(message => message.Text).ToHashSet());
            Assert.All(service.Said('c'), number => Assert.Contains(number, mine));
            Assert.All(service.Said('n'), number => Assert.DoesNotContain(number, mine));
        }
    }

    private async Task FillAsync(AmqpTestBroker broker, int count)
    {
        await using var client = await AmqpClient.ConnectAsync(broker.Uri.ToString(), Cancelled);
        await client.DeclareAsync(new AmqpTopology().Queue("in").Queue("out").Queue("mine"), Cancelled);
        foreach (AmqpPublishResult result in await client.PublishAllAsync([.. Enumerable.Range(0, count).Select(number => AmqpMessage.ToQueue("in", System.Text.Encoding.UTF8.GetBytes(number.ToString(CultureInfo.InvariantCulture))))], Cancelled))
            result.ThrowIfNotConfirmed();
    }

    private sealed class Service : IAsyncDisposable
    {
        private readonly System.Diagnostics.Process _process;
        private readonly List<string> _lines = [];
        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Service(string uri)
        {
            _process = new System.Diagnostics.Process
            {
                StartInfo = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet",
                    [Path.Combine(AppContext.BaseDirectory, Program), uri])
                { RedirectStandardOutput = true, RedirectStandardError = true },
            };
            _process.OutputDataReceived += (_, line) => Add(line.Data);
            _process.ErrorDataReceived += (_, line) =>
            {
                if (line.Data is not null)
                    Add($"! {line.Data}");
            };
            _process.Start();
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        internal int ExitCode => _process.ExitCode;

        internal IReadOnlyList<string> Lines
        {
            get
            {
                lock (_lines)
                    return [.. _lines];
            }
        }

        internal IEnumerable<string> Said(char outcome) => Lines.Where(line => line.StartsWith($"{outcome} ", StringComparison.Ordinal)).Select(line => line[2..]);

        internal Task SaidAsync(int confirmed) => UntilAsync(() => Said('c').Take(confirmed).Count() == confirmed || (_process.HasExited ? throw new Xunit.Sdk.XunitException($"It ended: {string.Join('\n', Lines.TakeLast(20))}") : false));

        internal async Task<TimeSpan> TerminateAsync()
        {
            long start = TimeProvider.System.GetTimestamp();
            using (var kill = System.Diagnostics.Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
                await kill.WaitForExitAsync(Cancelled);
            await _process.WaitForExitAsync(Cancelled).WaitAsync(Limit, Cancelled);
            TimeSpan took = TimeProvider.System.GetElapsedTime(start);
            await _closed.Task.WaitAsync(Limit, Cancelled); // all it said has come
            return took;
        }

        public async ValueTask DisposeAsync()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
                await _process.WaitForExitAsync(CancellationToken.None);
            }
            _process.Dispose();
        }

        private void Add(string? line)
        {
            if (line is null)
            {
                _closed.TrySetResult();
                return;
            }
            lock (_lines)
                _lines.Add(line);
        }
    }
}
