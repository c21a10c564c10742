using static SafeAmqp.FaultTests.Support.ScriptedBroker;

namespace SafeAmqp.FaultTests.Wire;

// 404, 403 and 406 come from a real broker elsewhere; these no test can make one say.
public sealed class CloseCodeTests : FaultCase
{
    private ScriptedBroker _broker = null!;

    public override ValueTask InitializeAsync()
    {
        _broker = Own(new ScriptedBroker());
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData(541, "INTERNAL_ERROR")]
    [InlineData(504, "CHANNEL_ERROR - expected 'channel.open'")]
    [InlineData(506, "RESOURCE_ERROR")]
    [InlineData(540, "NOT_IMPLEMENTED")]
    [InlineData(999, "something new")]
    [InlineData(0, "")]
    public async Task A_channel_closed_with_any_code_leaves_neighbours_their_truth_and_the_connection_as_it_is(
        int code, string text)
    {
        _broker.OnPublish = (_, message) => message.RoutingKey switch
        {
            "before" => Ack(message.Channel, message.Sequence),
            "stuck" => [],
            "guilty" => CloseChannel(message.Channel, code, text, 40),
            _ => null,
        };
        AmqpClient client = NewClient(_broker.Uri);
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("before", []), Cancelled)));
        ValueTask stuck = client.PublishAsync(AmqpMessage.ToQueue("stuck", []), Cancelled),
            guilty = client.PublishAsync(AmqpMessage.ToQueue("guilty", []), Cancelled);
        foreach (Exception? end in (Exception?[])[await EndOf(stuck), await EndOf(guilty)])
        {
            // Neither is known to be at fault: neither may be called refused, and neither confirmed.
            var unknown = Assert.IsType<AmqpUnknownOutcomeException>(end);
            Assert.Contains(text, unknown.Message, StringComparison.Ordinal);
        }
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("after", []), Cancelled)));
        await client.OpenAsync(Cancelled); // nothing above waited for the receive link
        Assert.Equal(2, _broker.Connections);
        Assert.All(client.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory]
    [InlineData(541, "INTERNAL_ERROR")]
    [InlineData(504, "CHANNEL_ERROR")]
    [InlineData(501, "FRAME_ERROR")]
    [InlineData(502, "SYNTAX_ERROR")]
    [InlineData(503, "COMMAND_INVALID")]
    [InlineData(505, "UNEXPECTED_FRAME")]
    [InlineData(320, "CONNECTION_FORCED")]
    [InlineData(999, "something new")]
    public async Task A_connection_closed_with_any_code_is_made_anew_and_what_was_on_it_is_unknown(
        int code, string text)
    {
        int closed = 0;
        _broker.OnPublish = (_, message) => message.RoutingKey == "guilty" && Interlocked.Increment(ref closed) == 1
            ? CloseConnection(code, text)
            : null;
        AmqpClient client = NewClient(_broker.Uri);
        var unknown = Assert.IsType<AmqpUnknownOutcomeException>(
            await EndOf(client.PublishAsync(AmqpMessage.ToQueue("guilty", []), Cancelled)));
        Assert.Contains($"{code} {text}", unknown.Message, StringComparison.Ordinal);
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("guilty", []), Cancelled)));
        await client.OpenAsync(Cancelled); // nothing above waited for the receive link
        Assert.Equal(3, _broker.Connections); // the send link twice, the receive link once
        Assert.Equal(1, client.Status.Links[1].Epoch);
    }

    [Fact]
    public async Task What_a_peer_writes_into_its_texts_is_shortened_and_cannot_make_a_line_of_its_own_in_a_log()
    {
        const string forged = "x\r\n2026-01-01 00:00:00 fatal: all is lost\u001b[2J\u2028end";
        _broker.OnPublish = (_, message) => message.RoutingKey switch
        {
            "close" => CloseChannel(message.Channel, 541, Latin(forged)),
            "return" => [.. Return(message, Latin(forged)), .. Ack(message.Channel, message.Sequence)],
            "long" => CloseChannel(message.Channel, 541, new string('y', 255)),
            "end" => _broker.Connections > 2 ? null : CloseConnection(541, Latin(forged)),
            _ => null,
        };
        var log = new Lines();
        AmqpClient client = NewClient(_broker.Uri, options => options.LoggerFactory = log);
        foreach (string key in (string[])["close", "return", "long", "end"])
        {
            Exception error = (await EndOf(client.PublishAsync(AmqpMessage.ToQueue(key, []), Cancelled)))!;
            var told = Assert.IsAssignableFrom<AmqpException>(error);
            Assert.DoesNotContain(told.Message, c => char.IsControl(c));
            Assert.DoesNotContain(told.ToString().ReplaceLineEndings("\n"), c => c != '\n' && char.IsControl(c));
            Assert.DoesNotContain(
                "2026-01-01 00:00:00 fatal",
                told.ToString().Split('\n').Where(line => line.StartsWith("2026", StringComparison.Ordinal)));
            Assert.DoesNotContain(new string('y', 201), told.ToString(), StringComparison.Ordinal);
            Assert.DoesNotContain(client.Status.ToString(), c => char.IsControl(c));
            await UntilAsync(() => client.Status.Links[0].State == AmqpLinkState.Open);
        }
        await UntilAsync(() => log.Has("all is lost")); // it was logged
        Assert.All(log.All, line => Assert.DoesNotContain(line, c => char.IsControl(c)));
    }

    // The frames' texts are single bytes; the line separator is cut down to one that does no harm there.
    private static string Latin(string text) => string.Concat(text.Where(c => c < 128));
}
