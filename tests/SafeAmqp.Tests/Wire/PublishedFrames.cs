using System.Buffers.Binary;
using System.Text;
using RabbitMQ.Client;
using SafeAmqp.Broker;
using SafeAmqp.Wire;

namespace SafeAmqp.Tests.Wire;

/// <summary>
/// A publish as it goes onto the wire, taken apart again by hand, but for the properties, which are RabbitMQ.Client's
/// to read.
/// </summary>
internal sealed record PublishedFrames(
    string Exchange, string RoutingKey, bool Mandatory, byte[] Header, byte[] Body, IReadOnlyList<int> Sizes)
{
    internal ReadOnlyBasicProperties Properties => new(Header);

    internal static PublishedFrames Read(Outgoing message, int slot, ushort channel = 1, int maxFrame = 131_072)
    {
        var buffer = new FrameBuffer();
        FrameWriter.Publish(buffer, channel, message, slot, maxFrame);
        List<(byte Type, byte[] Payload)> frames = Split(buffer.Written.Span, channel);
        byte[] method = frames[0].Payload;
        Assert.Equal((1, 60, 40), (frames[0].Type, method[1], method[3]));
        int at = 6;
        string exchange = ShortString(method, ref at);
        string key = ShortString(method, ref at);
        byte bits = method[at++];
        Assert.Equal(method.Length, at);
        byte[] header = frames[1].Payload;
        Assert.Equal((2, 60), (frames[1].Type, header[1]));
        Assert.All(frames.Skip(2), frame => Assert.Equal(3, frame.Type));
        byte[] body = [.. frames.Skip(2).SelectMany(frame => frame.Payload)];
        Assert.Equal((ulong)body.Length, BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(4)));
        return new PublishedFrames(
            exchange, key, bits == 1, header[12..], body, [.. frames.Select(frame => frame.Payload.Length + 8)]);
    }

    internal static List<(byte Type, byte[] Payload)> Split(ReadOnlySpan<byte> bytes, ushort channel)
    {
        var frames = new List<(byte, byte[])>();
        while (!bytes.IsEmpty)
        {
            Assert.Equal(channel, BinaryPrimitives.ReadUInt16BigEndian(bytes[1..]));
            int size = (int)BinaryPrimitives.ReadUInt32BigEndian(bytes[3..]);
            Assert.Equal(0xCE, bytes[7 + size]);
            frames.Add((bytes[0], bytes.Slice(7, size).ToArray()));
            bytes = bytes[(size + 8)..];
        }
        return frames;
    }

    private static string ShortString(byte[] bytes, ref int at)
    {
        string text = Encoding.UTF8.GetString(bytes, at + 1, bytes[at]);
        at += 1 + bytes[at];
        return text;
    }
}
