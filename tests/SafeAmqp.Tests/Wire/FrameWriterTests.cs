using System.Buffers.Binary;
using SafeAmqp.Broker;
using SafeAmqp.Wire;

namespace SafeAmqp.Tests.Wire;

public sealed class FrameWriterTests
{
    [Fact]
    public void Address_flag_and_body_arrive_as_they_were()
    {
        var sent = PublishedFrames.Read(
            AmqpMessage.ToExchange("orders", "new.é", "body"u8.ToArray()), slot: -1, channel: 513);
        Assert.Equal(("orders", "new.é", true), (sent.Exchange, sent.RoutingKey, sent.Mandatory));
        Assert.Equal("body"u8.ToArray(), sent.Body);
        Assert.False(PublishedFrames.Read(AmqpMessage.Broadcast("news", []), slot: -1).Mandatory);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(4088, 1)]
    [InlineData(4089, 2)]
    [InlineData(3 * 4088, 3)]
    [InlineData(1_000_000, 245)]
    public void A_body_is_cut_into_frames_that_the_broker_takes(int size, int frames)
    {
        byte[] body = new byte[size];
        new Random(size).NextBytes(body);
        var sent = PublishedFrames.Read(new AmqpMessage { Body = body }, slot: -1, maxFrame: 4096);
        Assert.Equal(frames, sent.Sizes.Count - 2);
        Assert.All(sent.Sizes, length => Assert.True(length <= 4096));
        Assert.Equal(body, sent.Body);
    }

    [Fact]
    public void Names_of_the_greatest_length_fit_and_longer_ones_are_refused()
    {
        string name = new('é', 127);
        Assert.Equal(name, PublishedFrames.Read(new AmqpMessage { Exchange = name }, slot: -1).Exchange);
        Assert.Throws<InvalidOperationException>(
            () => PublishedFrames.Read(new AmqpMessage { Exchange = name + "éé" }, slot: -1));
    }

    [Theory]
    [InlineData(AmqpSettlement.Ack, false, 80, 0)]
    [InlineData(AmqpSettlement.Ack, true, 80, 1)]
    [InlineData(AmqpSettlement.Reject, false, 120, 0)]
    [InlineData(AmqpSettlement.Requeue, false, 120, 2)]
    [InlineData(AmqpSettlement.Requeue, true, 120, 3)]
    public void A_settlement_names_its_delivery(AmqpSettlement settlement, bool multiple, int method, int bits)
    {
        var buffer = new FrameBuffer();
        FrameWriter.Settle(buffer, 9, 0x0102030405060708, multiple, settlement);
        byte[] payload = Assert.Single(PublishedFrames.Split(buffer.Written.Span, 9)).Payload;
        Assert.Equal((60, method, bits), (payload[1], payload[3], payload[12]));
        Assert.Equal(0x0102030405060708UL, BinaryPrimitives.ReadUInt64BigEndian(payload.AsSpan(4)));
    }

    [Fact]
    public void A_buffer_grows_keeps_what_it_holds_and_can_be_cut_back()
    {
        var buffer = new FrameBuffer();
        buffer.Long(7);
        buffer.Bytes(new byte[100_000]);
        int before = buffer.Count;
        buffer.LongString("over");
        buffer.CutTo(before);
        Assert.Equal((100_004, 7u), (buffer.Count, BinaryPrimitives.ReadUInt32BigEndian(buffer.Written.Span)));
        buffer.Release();
        Assert.Equal(0, buffer.Count);
    }
}
