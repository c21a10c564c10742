using System.Buffers.Binary;
using SafeAmqp.Broker;
using SafeAmqp.Transport;
using SafeAmqp.Wire;

namespace SafeAmqp.Tests.Broker;

/// <summary>
/// What keeps our frames from landing in the middle of RabbitMQ.Client's, or on a channel that it has closed.
/// </summary>
public sealed class ClientFramesTests
{
    private static readonly byte[] ProtocolHeader = "AMQP\0\0\u0009\u0001"u8.ToArray();

    private readonly ClientFrames _frames = new();

    [Fact]
    public void Whole_frames_pass_at_once()
    {
        Assert.Equal(ProtocolHeader, _frames.Take(ProtocolHeader).ToArray());
        byte[] two = [.. Method(1, 20, 10), .. Method(0, 10, 11)];
        Assert.Equal(two, _frames.Take(two).ToArray());
    }

    [Fact]
    public void However_they_are_cut_only_whole_frames_come_out_and_all_of_them()
    {
        byte[] all = [.. ProtocolHeader, .. Method(1, 20, 10), .. Method(2, 60, 20, 300), .. Method(1, 20, 40),
            .. Method(3, 50, 10, 5000)];
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            var frames = new ClientFrames();
            var passed = new List<byte>();
            for (int at = 0, size; at < all.Length; at += size)
            {
                size = Math.Min(random.Next(1, i % 2 == 0 ? 10 : 2000), all.Length - at);
                passed.AddRange(frames.Take(all.AsMemory(at, size)).Span);
                Assert.Contains(passed.Count, Ends(all));
            }
            Assert.Equal(all, passed);
        }
    }

    [Theory]
    [InlineData(40)]
    [InlineData(41)]
    public void Nothing_of_ours_follows_on_a_channel_that_was_closed_until_it_is_opened_again(int close)
    {
        _frames.Take(ProtocolHeader);
        byte[] ours = [.. Method(1, 60, 40, 20), .. Method(2, 60, 40, 30), .. Method(1, 60, 80, 9)];
        Assert.Equal(ours, _frames.WithoutClosed(ours).ToArray());

        _frames.Take(Method(1, 20, (byte)close));
        Assert.Equal(Method(2, 60, 40, 30), _frames.WithoutClosed(ours).ToArray());
        _frames.Take(Method(2, 20, (byte)close));
        Assert.True(_frames.WithoutClosed(ours).IsEmpty);

        _frames.Take(Method(1, 20, 10));
        Assert.Equal([.. Method(1, 60, 40, 20), .. Method(1, 60, 80, 9)], _frames.WithoutClosed(ours).ToArray());
    }

    private static IEnumerable<int> Ends(byte[] all)
    {
        yield return 0;
        for (int at =
            ProtocolHeader.Length; at <= all.Length; at += BinaryPrimitives.ReadInt32BigEndian(all.AsSpan(at + 3)) + 8)
        {
            yield return at;
            if (at == all.Length)
                yield break;
        }
    }

    private static byte[] Method(ushort channel, byte classId, byte method, int arguments = 0)
        => [1, (byte)(channel >> 8), (byte)channel, 0, 0, (byte)((arguments + 4) >> 8), (byte)(arguments + 4), 0,
            classId, 0, method, .. new byte[arguments], 0xCE];
}
