using SafeAmqp.Testing.Protocol;

namespace SafeAmqp.Testing.Tests.Hostile;

/// <summary>
/// Tables of any depth are checked without a stack that grows with them, and by the same rules as those that are read.
/// </summary>
public sealed class FieldWalkTests
{
    [Theory]
    [InlineData((byte)'F')]
    [InlineData((byte)'A')]
    public void A_table_nested_as_deep_as_the_largest_frame_allows_is_read_compared_and_written_as_it_came(byte type)
    {
        byte[] nested = Nested(type, 16 * 1024 * 1024 / 7);
        byte[] entries = type == 'F' ? nested : [1, (byte)'k', .. nested];
        Dictionary<string, object?> table = FieldTable.Read(entries);
        Assert.True(FieldTable.IsIdentical(table, FieldTable.Read(entries)));
        var writer = new MethodWriter();
        FieldTableWriter.WriteEntries(writer.Clear(), table);
        Assert.True(writer.Written.SequenceEqual(entries));
    }

    [Fact]
    public void What_is_wrong_beyond_the_depth_that_is_read_is_found()
    {
        byte[] right = Deep([(byte)'t', 1]);
        _ = FieldTable.Read(right);
        foreach (byte[] wrong in (byte[][])[[(byte)'?'], [(byte)'l', 1], [(byte)'S', 0, 0, 0, 9, 1],
            [(byte)'S', 255, 255, 255, 255], [(byte)'F', 0, 0, 0, 1, 1], [(byte)'A', 0, 0]])
            Assert.Equal(541, Assert.Throws<AmqpError>(() => FieldTable.Read(Deep(wrong))).Code);
    }

    [Fact]
    public void The_walk_and_the_reader_agree_on_what_is_a_table()
    {
        int accepted = 0, refused = 0;
        for (int seed = 0; seed < 20_000; seed++)
        {
            var random = new Random(seed);
            var writer = new MethodWriter();
            FieldTableWriter.WriteEntries(writer.Clear(), Table(random, 0));
            byte[] octets = writer.Written.ToArray();
            if (octets.Length > 0 && random.Next(2) == 0)
                octets[random.Next(octets.Length)] = (byte)random.Next(256);
            bool read = Accepts(() => FieldTable.Read(octets)),
                walked = Accepts(() => FieldWalk.Check((byte)'F', octets));
            Assert.True(read == walked, $"seed {seed}: read {read}, walked {walked}, {Convert.ToHexString(octets)}");
            _ = read ? accepted++ : refused++;
        }
        Assert.InRange(refused, 1000, accepted);
    }

    private static bool Accepts(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (AmqpError)
        {
            return false;
        }
    }

    /// <summary>A value at the bottom of a hundred arrays, in a table.</summary>
    private static byte[] Deep(byte[] value)
    {
        for (int i = 0; i < 100; i++)
            value = [(byte)'A', .. RawClient.FourOctets(value.Length), .. value];
        return [1, (byte)'k', .. value];
    }

    /// <summary>The content of so many tables or arrays, one in the other.</summary>
    private static byte[] Nested(byte type, int depth)
    {
        int step = type == 'F' ? 7 : 5;
        byte[] octets = new byte[step * depth];
        for (int i = 0, at = 0; i < depth; i++)
        {
            if (type == 'F')
                (octets[at], octets[at + 1]) = (1, (byte)'k');
            at += step - 5;
            octets[at] = type;
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(octets.AsSpan(at + 1), octets.Length - at - 5);
            at += 5;
        }
        return octets;
    }

    private static Dictionary<string, object?> Table(Random random, int depth)
    {
        var table = new Dictionary<string, object?>();
        for (int i = random.Next(4); i > 0; i--)
            table[$"{random.Next(1000)}"] = Value(random, depth);
        return table;
    }

    private static object? Value(Random random, int depth) => random.Next(depth > 6 ? 15 : 19) switch
    {
        0 => null,
        1 => "text"u8.ToArray(),
        2 => new ByteArray([1, 2, 3]),
        3 => random.Next(),
        4 => (uint)random.Next(),
        5 => random.NextInt64(),
        6 => (short)1,
        7 => (ushort)2,
        8 => (sbyte)3,
        9 => (byte)4,
        10 => true,
        11 => 1.5,
        12 => 2.5f,
        13 => new TimestampField(5),
        14 => new DecimalField(1, 6),
        15 or 16 => Table(random, depth + 1),
        _ => Enumerable.Range(0, random.Next(3)).Select(_ => Value(random, depth + 1)).ToList(),
    };
}
