using SafeAmqp.Testing;

namespace SafeAmqp.FaultTests.Wire;

// A publish that cannot be never harms its neighbours twice, and its link never spins.
public sealed class ImpossibleTests : FaultCase
{
    [Theory]
    [InlineData(501)]
    [InlineData(505)]
    [InlineData(541)]
    public async Task One_impossible_message_among_ten_thousand_costs_two_links_while_a_hundred_more_are_cut(int code)
    {
        int good = Number("SAFEAMQP_GOOD_MESSAGES", 10_000), cuts = Number("SAFEAMQP_CUTS", 100);
        AmqpTestBroker broker = await BrokerAsync();
        AmqpClient amqp = NewClient(broker.Uri.ToString(), options =>
        {
            options.InFlight = AmqpInFlightPolicy.Republish;
            options.PublishTimeout = TimeSpan.FromMinutes(5);
            options.Layout = AmqpConnectionLayout.Shared;
        });
        await amqp.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        int lost = 0;
        using FaultScript impossible = broker.Script(FaultTrigger.Publish().WithMessageId("impossible")
            .Where(_ => Interlocked.Increment(ref lost) > 0), FaultAction.CloseConnection(code, "over this message"));
        using var done = new CancellationTokenSource();
        Task cutting = CutAsync(broker, amqp, cuts, done.Token);
        Task<AmqpPublishResult>[] publishes = [.. Enumerable.Range(0, good + 1).Select(async i =>
        {
            await Task.Delay(i / 4, Cancelled); // over the time of the cuts
            string id = i == good / 3 ? "impossible" : $"m{i}";
            return (await amqp.PublishAllAsync(
                [AmqpMessage.ToQueue("q", []) with { MessageId = id }], Cancelled))[0];
        })];
        AmqpPublishResult[] results = await Task.WhenAll(publishes).WaitAsync(TimeSpan.FromMinutes(4), Cancelled);
        await done.CancelAsync();
        await cutting;
        foreach (var (i, result) in results.Index())
            Assert.Equal((i, i == good / 3 ? AmqpOutcome.Refused : AmqpOutcome.Confirmed), (i, result.Outcome));
        Assert.InRange(lost, 1, 3);
        Figure($"{lost} links lost to one message, {amqp.Status.Links[0].Epoch} in all");
        Assert.True(await broker.LookAsync(view => view.ReadyCount("q")) >= good);
    }

    [Fact]
    public async Task Headers_above_the_brokers_frame_are_refused_before_they_are_sent()
    {
        var broker = Own(new ScriptedBroker { FrameMax = 8192 });
        AmqpClient amqp = NewClient(broker.Uri, options => options.InFlight = AmqpInFlightPolicy.Republish);
        var neighbours = Enumerable.Range(0, 100)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue("q", new byte[20_000]), Cancelled))).ToArray();
        AmqpMessage large = AmqpMessage.ToQueue("q", []) with
        {
            Headers = new Dictionary<string, object?> { ["k"] = new string('x', 8_150) }
        };
        var error = Assert.IsType<AmqpRefusedException>(await EndOf(amqp.PublishAsync(large, Cancelled)));
        Assert.Contains("8192", error.Message, StringComparison.Ordinal);
        Assert.Contains("frame_max", error.Message, StringComparison.Ordinal);
        Assert.All(await Task.WhenAll(neighbours), Assert.Null);
        Assert.Null(await EndOf(amqp.PublishAsync(
            large with { Headers = new Dictionary<string, object?> { ["k"] = new string('x', 8_000) } }, Cancelled)));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_body_above_the_brokers_limit_is_refused_and_its_neighbours_are_confirmed()
    {
        AmqpTestBroker broker = await BrokerAsync(new AmqpTestBrokerOptions { MaxMessageSize = 5_000 });
        AmqpClient amqp = NewClient(broker.Uri.ToString(), options => options.InFlight = AmqpInFlightPolicy.Republish);
        await amqp.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        IReadOnlyList<AmqpPublishResult> results = await amqp.PublishAllAsync([.. Enumerable.Range(0, 200)
            .Select(i => AmqpMessage.ToQueue("q", new byte[i % 50 == 25 ? 5_001 + i : 100]))], Cancelled);
        foreach (var (i, result) in results.Index())
        {
            Assert.Equal((i, i % 50 == 25 ? AmqpOutcome.Refused : AmqpOutcome.Confirmed), (i, result.Outcome));
            Assert.True(i % 50 != 25 || result.Error!.ReplyCode == 406);
        }
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    private static async Task CutAsync(AmqpTestBroker broker, AmqpClient amqp, int cuts, CancellationToken done)
    {
        for (int i = 0; i < cuts && !done.IsCancellationRequested; i++)
        {
            int epoch = amqp.Status.Links[0].Epoch;
            await broker.InjectAsync(FaultAction.Reset());
            await UntilAsync(() => done.IsCancellationRequested
                || (amqp.Status.Links[0].Epoch > epoch && amqp.Status.Links[0].State == AmqpLinkState.Open));
        }
    }
}
