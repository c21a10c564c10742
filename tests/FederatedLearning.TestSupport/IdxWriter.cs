using System.Buffers.Binary;
using FederatedLearning.Training.Data;

namespace FederatedLearning.TestSupport;

/// <summary>Writes data as files in MNIST's format, for a client that is not one of ours.</summary>
internal static class IdxWriter
{
    public static void Write(Dataset data, string images, string labels)
    {
        int side = (int)Math.Sqrt(data.Inputs);
        using (var file = File.Create(images))
        {
            Header(file, 0x803, data.Count, side, side);
            for (int i = 0; i < data.Count; i++)
                foreach (float pixel in data.Image(i))
                    file.WriteByte((byte)Math.Round(255 * pixel));
        }

        using (var file = File.Create(labels))
        {
            Header(file, 0x801, data.Count);
            file.Write(data.Labels);
        }
    }

    private static void Header(FileStream file, params ReadOnlySpan<int> numbers)
    {
        byte[] bytes = new byte[4];
        foreach (int number in numbers)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes, number);
            file.Write(bytes);
        }
    }
}
