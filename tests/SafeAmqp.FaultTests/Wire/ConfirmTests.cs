using static SafeAmqp.FaultTests.Support.ScriptedBroker;

namespace SafeAmqp.FaultTests.Wire;

// A peer that confirms as no honest broker would, or as only a busy one does.
public sealed class ConfirmTests : FaultCase
{
    private const int Messages = 8;
    private ScriptedBroker _broker = null!;

    public override ValueTask InitializeAsync()
    {
        _broker = Own(new ScriptedBroker());
        return ValueTask.CompletedTask;
    }

    private AmqpClient Client() => NewClient(_broker.Uri, options => options.PublishTimeout = TimeSpan.FromSeconds(20));

    /// <summary>Answers nothing until the last of the messages is there, then with this.</summary>
    private void AnswerAtTheEnd(Func<ushort, byte[]> answer)
    {
        int seen = 0;
        _broker.OnPublish = (_, message) => Interlocked.Increment(ref seen) switch
        {
            < Messages => [],
            Messages => answer(message.Channel),
            _ => null,
        };
    }

    private static async Task<Exception?[]> PublishAsync(AmqpClient client)
    {
        ValueTask[] publishes = [.. Enumerable.Range(0, Messages)
            .Select(i => client.PublishAsync(AmqpMessage.ToQueue($"k{i}", new byte[i]), Cancelled))];
        return await Task.WhenAll(publishes.Select(EndOf));
    }

    private async Task AssertGoesOnAsync(AmqpClient client, int connections = 1)
    {
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("after", []), Cancelled)));
        Assert.Equal(AmqpLinkState.Open, client.Status.Links[0].State);
        Assert.Equal((0, 0), (client.Status.Links[0].QueuedMessages, client.Status.Links[0].UnconfirmedMessages));
        await client.OpenAsync(Cancelled); // nothing above waited for the receive link
        Assert.Equal(connections + 1, _broker.Connections); // and the receive link's
    }

    [Theory]
    [InlineData("one ack for all")]
    [InlineData("one by one, the last first")]
    [InlineData("in two parts, the later first")]
    [InlineData("the last twice")]
    [InlineData("all twice")]
    public async Task Acks_in_any_order_joined_or_repeated_confirm_each_once(string how)
    {
        AnswerAtTheEnd(channel => how switch
        {
            "one ack for all" => Ack(channel, Messages, multiple: true),
            "one by one, the last first" =>
                [.. Enumerable.Range(0, Messages).SelectMany(i => Ack(channel, (ulong)(Messages - i)))],
            "in two parts, the later first" => [
                .. Enumerable.Range(5, Messages - 4).SelectMany(i => Ack(channel, (ulong)i)),
                .. Ack(channel, 4, multiple: true)],
            "the last twice" =>
                [.. Ack(channel, Messages), .. Ack(channel, Messages), .. Ack(channel, Messages, multiple: true)],
            _ => [.. Ack(channel, Messages, multiple: true), .. Ack(channel, Messages, multiple: true)],
        });
        AmqpClient client = Client();
        Assert.All(await PublishAsync(client), Assert.Null);
        await AssertGoesOnAsync(client);
    }

    [Theory]
    [InlineData("all")]
    [InlineData("the first half")]
    public async Task A_nack_of_several_nacks_each_of_them_and_no_other(string which)
    {
        AnswerAtTheEnd(channel => which == "all"
            ? Nack(channel, Messages, multiple: true)
            : [.. Nack(channel, Messages / 2, multiple: true), .. Ack(channel, Messages, multiple: true)]);
        AmqpClient client = Client();
        Exception?[] ends = await PublishAsync(client);
        int nacked = which == "all" ? Messages : Messages / 2;
        Assert.All(ends[..nacked], error => Assert.IsType<AmqpNackedException>(error));
        Assert.All(ends[nacked..], Assert.Null);
        await AssertGoesOnAsync(client);
    }

    [Fact]
    public async Task What_was_nacked_and_then_acked_stays_nacked_and_the_other_way_round()
    {
        AnswerAtTheEnd(channel => [.. Nack(channel, 1), .. Ack(channel, 2), .. Ack(channel, 1), .. Nack(channel, 2),
            .. Ack(channel, Messages, multiple: true)]);
        AmqpClient client = Client();
        Exception?[] ends = await PublishAsync(client);
        Assert.IsType<AmqpNackedException>(ends[0]);
        Assert.All(ends[1..], Assert.Null);
        await AssertGoesOnAsync(client);
    }

    [Theory]
    [InlineData("a number never used")]
    [InlineData("a number never used, for all up to it")]
    [InlineData("the highest number there is")]
    [InlineData("a nack of a number never used")]
    public async Task An_answer_to_nothing_costs_the_channel_and_nothing_else(string how)
    {
        AnswerAtTheEnd(channel =>
        [
            .. Ack(channel, 1),
            .. how switch
            {
                "a number never used" => Ack(channel, Messages + 1),
                "a number never used, for all up to it" => Ack(channel, 99, multiple: true),
                "the highest number there is" => Ack(channel, ulong.MaxValue, multiple: true),
                _ => Nack(channel, Messages + 40),
            },
        ]);
        AmqpClient client = Client();
        Exception?[] ends = await PublishAsync(client);
        Assert.Null(ends[0]); // what was answered before is true
        Assert.All(ends[1..], error => Assert.IsType<AmqpUnknownOutcomeException>(error));
        await AssertGoesOnAsync(client);
    }

    [Theory]
    [InlineData("ack")]
    [InlineData("nack")]
    [InlineData("close")]
    public async Task What_was_returned_is_returned_whatever_comes_after_it(string after)
    {
        int seen = 0;
        _broker.OnPublish = (_, message) => Interlocked.Increment(ref seen) > 1 ? null :
        [
            .. Return(message),
            .. after switch
            {
                "ack" => Ack(message.Channel, message.Sequence),
                "nack" => Nack(message.Channel, message.Sequence),
                _ => CloseChannel(message.Channel, 541, "INTERNAL_ERROR"),
            },
        ];
        AmqpClient client = Client();
        var error = Assert.IsType<AmqpReturnedException>(
            await EndOf(client.PublishAsync(AmqpMessage.ToQueue("nowhere", []), Cancelled)));
        Assert.Equal((312, "NO_ROUTE"), (error.ReplyCode, error.ReplyText));
        await AssertGoesOnAsync(client);
    }

    [Theory]
    [InlineData("a return after its ack")]
    [InlineData("a return without our header")]
    [InlineData("a return with somebody else's header")]
    public async Task A_return_that_fits_no_publish_harms_none(string how)
    {
        AnswerAtTheEnd(channel =>
        {
            Published first = _broker.Seen.First();
            return how switch
            {
                "a return after its ack" => [.. Ack(channel, Messages, multiple: true), .. Return(first)],
                "a return without our header" =>
                    [.. Return(first with { Properties = [0, 0] }), .. Ack(channel, Messages, multiple: true)],
                _ => [.. Return(first with
                {
                    Properties = [0x20, 0, .. Frames.Table(
                        Frames.Entry("x-safeamqp-slot", (byte)'I', 0x7F, 0xFF, 0xFF, 0xFF))]
                }), .. Ack(channel, Messages, multiple: true)],
            };
        });
        AmqpClient client = Client();
        Assert.All(await PublishAsync(client), Assert.Null);
        await AssertGoesOnAsync(client);
    }
}
