using System.Globalization;

namespace SafeAmqp.FaultTests.Hosts;

/// <summary>A service of its own process, under load, is told to end. SAFEAMQP_SIGTERMS says how often.</summary>
public sealed class SigtermTests : FaultCase
{
    [Fact]
    public async Task Told_to_end_under_load_a_service_ends_in_time_and_loses_nothing()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no SIGTERM here.");
        int times = Number("SAFEAMQP_SIGTERMS", 5), confirmedInAll = 0, midway = 0;
        for (int seed = 0; seed < times; seed++)
        {
            await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
                new AmqpTestBrokerOptions { HistoryCapacity = 0 }, Cancelled);
            await FillAsync(broker, 3_000);
            await using var service = new HostProcess(broker.Uri.ToString());
            int after = new Random(seed).Next(20, 1_500);
            await UntilAsync(() => service.HasSaid(after));
            TimeSpan took = await service.TerminateAsync(Cancelled);

            Assert.Equal(0, service.ExitCode);
            Assert.Contains("bye", service.Lines);
            Assert.True(took < TimeSpan.FromSeconds(12), $"It took {took}.");
            string[] confirmed = [.. service.Said('c')];
            Assert.True(confirmed.Length >= after, "It was not under load.");
            // The broker was well, so nothing may be left without a verdict, and nothing confirmed be missing.
            Assert.Empty(service.Said('u'));
            HashSet<string> mine = await broker.LookAsync(
                view => view.Messages("mine").Select(message => message.Text).ToHashSet());
            Assert.All(confirmed, number => Assert.Contains(number, mine));
            // What it moved: each message is in one of the two queues. A handler that ended was acknowledged, so
            // nothing is in both.
            (string[] moved, string[] left) = await broker.LookAsync(view => (
                view.Messages("out").Select(message => message.Text).ToArray(),
                view.Messages("in").Select(message => message.Text).ToArray()));
            Assert.Equal(
                Enumerable.Range(0, 3_000),
                moved.Concat(left).Select(text => int.Parse(text, CultureInfo.InvariantCulture)).Order());
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
    public async Task Told_to_stop_while_the_broker_is_silent_a_service_ends_in_time_and_says_what_it_does_not_know(
        string state)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no SIGTERM here.");
        AmqpTestBroker broker = await BrokerAsync();
        await FillAsync(broker, 500);
        await using var service = new HostProcess(broker.Uri.ToString());
        await UntilAsync(() => service.HasSaid(200));
        switch (state)
        {
            case "frozen": await broker.InjectAsync(FaultAction.Freeze()); break;
            case "blocked": broker.Block(); break;
            default: await broker.KillAsync(Cancelled); break;
        }
        TimeSpan took = await service.TerminateAsync(Cancelled);
        Assert.Equal(0, service.ExitCode);
        Assert.True(took < TimeSpan.FromSeconds(12), $"It took {took}.");
        Assert.NotEmpty(service.Said('u').Concat(service.Said('n'))); // it was hit
        if (state == "blocked")
        {
            HashSet<string> mine = await broker.LookAsync(
                view => view.Messages("mine").Select(message => message.Text).ToHashSet());
            Assert.All(service.Said('c'), number => Assert.Contains(number, mine));
            Assert.All(service.Said('n'), number => Assert.DoesNotContain(number, mine));
        }
    }

    private async Task FillAsync(AmqpTestBroker broker, int count)
    {
        await using var client = await AmqpClient.ConnectAsync(broker.Uri.ToString(), Cancelled);
        await client.DeclareAsync(new AmqpTopology().Queue("in").Queue("out").Queue("mine"), Cancelled);
        foreach (AmqpPublishResult result in await client.PublishAllAsync(
            [.. Enumerable.Range(0, count).Select(number => AmqpMessage.ToQueue(
                "in", System.Text.Encoding.UTF8.GetBytes(number.ToString(CultureInfo.InvariantCulture))))],
            Cancelled))
            result.ThrowIfNotConfirmed();
    }
}
