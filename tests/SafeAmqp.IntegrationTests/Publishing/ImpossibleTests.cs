namespace SafeAmqp.IntegrationTests.Publishing;

/// <summary>A publish that cannot be never harms its neighbours twice, and its link never spins.</summary>
public sealed class ImpossibleTests(TestBroker broker) : FeatureTest(broker)
{
    private const string Guilty = "impossible";

    [Theory, InlineData(Flaw.Frame), InlineData(Flaw.Size)]
    public Task One_impossible_message_is_refused_and_every_other_confirmed_while_links_are_cut(Flaw flaw)
        => PublishWhileCuttingAsync(flaw, good: 2_000, cuts: 20);

    [Theory, InlineData(Flaw.Frame), InlineData(Flaw.Size)]
    [Trait("Runs", "ByHand")] // takes a while, and shows the same with larger numbers
    public Task One_impossible_message_among_ten_thousand_is_refused_while_links_are_cut_a_hundred_times(Flaw flaw)
        => PublishWhileCuttingAsync(flaw, good: 10_000, cuts: 100);

    private async Task PublishWhileCuttingAsync(Flaw flaw, int good, int cuts)
    {
        const int MaxSize = 5_000;
        string broker = flaw == Flaw.Frame ? Broker.Uri
            : Own(await Broker.StartAnotherAsync(maxMessageSize: MaxSize)).Uri.ToString();
        FrameRelay relay = Own(new FrameRelay(broker));
        relay.Spoil(frame => flaw == Flaw.Frame && frame[0] == 2 && frame.AsSpan().IndexOf("impossible"u8) >= 0);
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = relay.Uri;
            options.InFlight = AmqpInFlightPolicy.Republish;
            options.Layout = AmqpConnectionLayout.Shared;
            options.PublishTimeout = TimeSpan.FromMinutes(2);
            options.ReconnectDelay = TimeSpan.FromMilliseconds(5);
            options.MaxReconnectDelay = TimeSpan.FromMilliseconds(100);
        });
        string queue = await NewQueueAsync(amqp);
        var messages = new List<AmqpMessage>();
        var batches = new List<Task<IReadOnlyList<AmqpPublishResult>>>();
        for (int cut = 0; cut < cuts; cut++)
        {
            List<AmqpMessage> batch = [.. Enumerable.Range(cut * good / cuts, good / cuts).Select(Good)];
            if (cut == cuts / 3)
                batch.Insert(batch.Count / 2, Impossible());
            messages.AddRange(batch);
            batches.Add(amqp.PublishAllAsync(batch, Cancelled));
            AmqpLinkStatus link = amqp.Status.Links[0];
            await UntilAsync(() => batches[^1].IsCompleted || amqp.Status.Links[0].UnconfirmedMessages > 0);
            if (!relay.SpoiledOn.Contains(relay.Accepted)) // else the broker is about to end it
                relay.Cut();
            await UntilAsync(() => amqp.Status.Links[0] is { State: AmqpLinkState.Open } now && now.Epoch > link.Epoch);
        }
        AmqpPublishResult[] results = [.. (await InTime(Task.WhenAll(batches))).SelectMany(all => all)];
        Assert.Equal(good + 1, results.Length);
        foreach (var (message, result) in messages.Zip(results))
            Assert.Equal(
                (message.MessageId, message.MessageId == Guilty ? AmqpOutcome.Refused : AmqpOutcome.Confirmed),
                (message.MessageId, result.Outcome));
        // A link that was cut while the message was on its way was not lost to it
        int[] lost = [.. relay.Methods.Where(method => method.IsConnectionClose).Select(method => method.Connection)];
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{relay.Accepted} links, of which lost to one message: {string.Join(", ", lost)}");
        Assert.InRange(lost.Length, flaw == Flaw.Frame ? 1 : 0, flaw == Flaw.Frame ? 3 : 0);
        Assert.Subset(relay.SpoiledOn.ToHashSet(), lost.ToHashSet());
        Assert.True(amqp.Status.Links[0].Epoch > cuts);
        Witness witness = await WitnessAsync(broker);
        Assert.True(await witness.ReadyAsync(queue) >= good);

        AmqpMessage Good(int number) => AmqpMessage.ToQueue(queue, []) with { MessageId = $"m{number}" };
        AmqpMessage Impossible() => AmqpMessage.ToQueue(queue, new byte[flaw == Flaw.Size ? MaxSize + 1 : 0]) with
        {
            MessageId = Guilty
        };
    }

    /// <summary>What is wrong with the one message.</summary>
    public enum Flaw
    {
        /// <summary>Its frame is spoiled on its way: the broker closes the connection (501).</summary>
        Frame,

        /// <summary>It is larger than the broker takes: it closes the channel (406).</summary>
        Size,
    }
}
